//! Writes the chunks of a `mosquitto.db` of format 6, as [`read`](super::read()) reads them: structures
//! of C on a machine of 64 bits, with the bytes of most numbers in the order of the network.

use std::io::{self, Write};

use super::read::{ID_BYTES, MAGIC};
use super::snapshot::{Client, ClientMessage, Progress, Snapshot, StoredMessage, Subscription};
use mqtt_codec::{Properties, PropertiesBuf, Property};

/// The format that is written.
const VERSION: u32 = 6;

/// What every file begins with. `last_id` is at least that of any message in it.
pub(super) fn header(last_id: u64, out: &mut impl Write) -> io::Result<()> {
    out.write_all(MAGIC)?;
    out.write_all(&[0; 4])?;
    out.write_all(&VERSION.to_be_bytes())?;
    let mut config = Vec::from(last_id.to_le_bytes());
    let ended_well = 1;
    config.extend([ended_well, ID_BYTES, 0, 0, 0, 0, 0, 0]);
    chunk(1, &config, &[], out)
}

/// A message; comes before everything that refers to it.
pub(super) fn message(message: &StoredMessage<'_>, out: &mut impl Write) -> io::Result<()> {
    let mut fixed = Vec::from(message.id.to_le_bytes());
    fixed.extend(message.expires.to_le_bytes());
    let payload_len = u32::try_from(message.payload.len()).map_err(io::Error::other)?;
    fixed.extend(payload_len.to_be_bytes());
    let (source_id_len, topic_len) = (len(&message.source_id)?, len(&message.topic)?);
    // The publisher's user name and port are not known.
    for number in [message.source_packet_id, source_id_len, 0, topic_len, 0] {
        fixed.extend(number.to_be_bytes());
    }
    fixed.extend([message.qos.as_u8(), message.retain.into()]);
    let properties = with_length(Properties::trusted(&message.properties));
    let parts = [
        &*message.source_id,
        &*message.topic,
        &*message.payload,
        &properties,
    ];
    chunk(2, &fixed, &parts, out)
}

/// A message of a client.
pub(super) fn client_message(
    client_id: &[u8],
    message: &ClientMessage,
    out: &mut impl Write,
) -> io::Result<()> {
    let mut fixed = Vec::from(message.id.to_le_bytes());
    fixed.extend(message.packet_id.to_be_bytes());
    fixed.extend(len(client_id)?.to_be_bytes());
    let (direction, state) = message.progress.to_fields(message.qos);
    let dup = u8::from(message.progress == Progress::Sent);
    let retain = u8::from(message.retain);
    fixed.extend([message.qos.as_u8(), state, retain << 4 | dup, direction]);
    let identifiers = message.identifiers.iter().copied();
    let identifiers: PropertiesBuf = identifiers.map(Property::SubscriptionIdentifier).collect();
    let properties = with_length(identifiers.as_properties());
    chunk(3, &fixed, &[client_id, &properties], out)
}

/// A message is the retained one of its topic.
pub(super) fn retained(id: u64, out: &mut impl Write) -> io::Result<()> {
    chunk(4, &id.to_le_bytes(), &[], out)
}

/// A subscription.
pub(super) fn subscription(
    client_id: &[u8],
    subscription: &Subscription<'_>,
    out: &mut impl Write,
) -> io::Result<()> {
    let mut fixed = Vec::from(subscription.identifier.to_be_bytes());
    fixed.extend(len(client_id)?.to_be_bytes());
    fixed.extend(len(&subscription.filter)?.to_be_bytes());
    let options = subscription.options;
    fixed.extend([options & 0b11, options & !0b11, 0, 0]);
    chunk(5, &fixed, &[client_id, &subscription.filter], out)
}

/// A session, without what belongs to it.
pub(super) fn client(
    client: &Client<'_>,
    last_packet_id: u16,
    out: &mut impl Write,
) -> io::Result<()> {
    let mut fixed = Vec::from(client.ends.to_le_bytes());
    fixed.extend(client.expiry_interval.to_be_bytes());
    let no_port = 0;
    let (id_len, user_name_len) = (len(&client.id)?, len(&client.user_name)?);
    for number in [last_packet_id, id_len, no_port, user_name_len] {
        fixed.extend(number.to_be_bytes());
    }
    fixed.extend([0; 4]);
    chunk(6, &fixed, &[&client.id, &client.user_name], out)
}

/// A whole file of a snapshot.
///
/// # Errors
/// What `out` has; [`io::ErrorKind::Other`] if a text is longer than the format can say.
pub fn write(snapshot: &Snapshot<'_>, out: &mut impl Write) -> io::Result<()> {
    let ids = snapshot.messages.iter().map(|message| message.id);
    header(ids.max().unwrap_or(0), out)?;
    for stored in &snapshot.messages {
        message(stored, out)?;
    }
    for known in &snapshot.clients {
        let ids = known.messages.iter().map(|message| message.packet_id);
        client(known, ids.max().unwrap_or(0), out)?;
        for message in &known.messages {
            client_message(&known.id, message, out)?;
        }
        for wanted in &known.subscriptions {
            subscription(&known.id, wanted, out)?;
        }
    }
    for id in &snapshot.retained {
        retained(*id, out)?;
    }
    Ok(())
}

fn chunk(kind: u32, fixed: &[u8], parts: &[&[u8]], out: &mut impl Write) -> io::Result<()> {
    let length = fixed.len() + parts.iter().map(|part| part.len()).sum::<usize>();
    let length = u32::try_from(length).map_err(io::Error::other)?;
    out.write_all(&kind.to_be_bytes())?;
    out.write_all(&length.to_be_bytes())?;
    out.write_all(fixed)?;
    for part in parts {
        out.write_all(part)?;
    }
    Ok(())
}

fn len(text: &[u8]) -> io::Result<u16> {
    u16::try_from(text.len()).map_err(io::Error::other)
}

/// Properties behind their length, or nothing if there are none.
fn with_length(properties: Properties<'_>) -> Vec<u8> {
    let mut block = Vec::new();
    if properties.is_empty() {
        return block;
    }
    let mut left = properties.as_bytes().len();
    loop {
        let (byte, more) = (u8::try_from(left % 128).unwrap_or(0), left / 128);
        left = more;
        if left == 0 {
            block.push(byte);
            break;
        }
        block.push(byte | 0x80);
    }
    block.extend_from_slice(properties.as_bytes());
    block
}
