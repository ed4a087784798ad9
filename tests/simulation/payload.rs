//! What messages say: their number, and then a pattern that shows whether anything got mixed up.

use bytes::Bytes;

/// Bytes of the number.
const NUMBER: usize = 4;

/// Sizes of payloads: three that stay below the smallest Maximum Packet Size of a world's clients, one
/// that passes it, one that is shared instead of copied.
pub(crate) const SIZES: [usize; 5] = [NUMBER, 9, 30, 700, 5_000];

/// The payload of a message.
pub(crate) fn of(number: u32, size: usize) -> Bytes {
    let mut bytes = Vec::with_capacity(size);
    bytes.extend_from_slice(&number.to_le_bytes());
    bytes.resize(size.max(NUMBER), filler(number));
    bytes.into()
}

/// The number of a message; none if it is empty.
pub(crate) fn number(payload: &[u8]) -> Option<u32> {
    payload
        .first_chunk()
        .map(|number| u32::from_le_bytes(*number))
}

/// Whether it is all there and nothing else.
pub(crate) fn is_whole(payload: &[u8], number: u32, size: usize) -> bool {
    payload.len() == size.max(NUMBER)
        && payload[NUMBER..].iter().all(|byte| *byte == filler(number))
}

fn filler(number: u32) -> u8 {
    number.to_le_bytes()[0] ^ 0xa5
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_payload_names_its_message_and_shows_what_was_mixed_up() {
        for size in SIZES {
            let mut payload = of(77, size).to_vec();
            assert_eq!(number(&payload), Some(77));
            assert!(is_whole(&payload, 77, size));
            *payload.last_mut().unwrap() ^= 1;
            assert!(!is_whole(&payload, 77, size) || size == NUMBER);
        }
        assert_eq!(number(b""), None);
    }
}
