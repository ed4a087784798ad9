//! QoS 2 messages that were received and not yet released: delivered exactly once.

use std::num::NonZeroU16;

use mqtt_codec::PacketId;

use crate::id_queue::IdQueue;

/// Open packet ids of the peer, each with what the owner keeps until PUBREL (`()` if it passes
/// messages on with the PUBLISH). An empty one allocates nothing.
///
/// The Receive Maximum bounds what comes on one connection: the peer's quota begins anew with each
/// (MQTT 5, 4.9), and of what an earlier one left open it may know nothing any more.
///
/// ```
/// # use std::num::NonZeroU16;
/// # use mqtt_codec::PacketId;
/// # use mqtt_session::inbound::{Inbound, Qos2};
/// let packet_id = PacketId::new(7).unwrap();
/// let mut inbound = Inbound::new(NonZeroU16::MAX);
/// assert_eq!(inbound.handle_qos2(packet_id, || "message"), Ok(Qos2::New));
/// assert_eq!(inbound.handle_qos2(packet_id, || "repeat"), Ok(Qos2::Repeated));
/// assert_eq!(inbound.handle_pubrel(packet_id), Some("message"));
/// assert_eq!(inbound.handle_pubrel(packet_id), None);
/// ```
#[derive(Debug, Clone)]
pub struct Inbound<M> {
    open: IdQueue<Open<M>>,
    receive_maximum: NonZeroU16,
    /// Of `open`, those whose PUBLISH came on the present connection.
    counted: usize,
}

#[derive(Debug, Clone)]
struct Open<M> {
    kept: M,
    counted: bool,
}

/// Whether a QoS 2 PUBLISH is to be processed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Qos2 {
    /// First time: process it, then PUBREC.
    New,
    /// It came before, whatever DUP and content say now: PUBREC alone. \[MQTT-4.3.3-10\]
    Repeated,
}

/// The peer has more deliveries open than our Receive Maximum allows: DISCONNECT 0x93 (MQTT 5, 3.3.4).
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("more deliveries are open than the Receive Maximum of {receive_maximum} allows")]
pub struct ReceiveMaximumExceeded {
    /// What was announced.
    pub receive_maximum: NonZeroU16,
}

impl<M> Inbound<M> {
    /// `receive_maximum` bounds the ids that one connection opens. Nobody announces it in 3.x; give what
    /// the owner bears.
    #[must_use]
    pub fn new(receive_maximum: NonZeroU16) -> Self {
        Self {
            open: IdQueue::new(),
            receive_maximum,
            counted: 0,
        }
    }

    /// A new connection resumed the session, perhaps with another Receive Maximum. Ids stay open, and
    /// count when their PUBLISH is repeated.
    pub fn handle_connected(&mut self, receive_maximum: NonZeroU16) {
        self.receive_maximum = receive_maximum;
        self.counted = 0;
        for open in self.open.values_mut() {
            open.counted = false;
        }
    }

    /// PUBLISH of QoS 2. A new id is opened with what `make` returns.
    ///
    /// # Errors
    /// [`ReceiveMaximumExceeded`] if the id is new on this connection and no more may be open. A second
    /// repeat does not count.
    pub fn handle_qos2(
        &mut self,
        packet_id: PacketId,
        make: impl FnOnce() -> M,
    ) -> Result<Qos2, ReceiveMaximumExceeded> {
        let known = self.open.position(packet_id);
        let known = known.and_then(|position| self.open.at_mut(position));
        if known.as_ref().is_some_and(|known| known.counted) {
            return Ok(Qos2::Repeated);
        }
        if self.counted >= usize::from(self.receive_maximum.get()) {
            return Err(ReceiveMaximumExceeded {
                receive_maximum: self.receive_maximum,
            });
        }
        self.counted += 1;
        if let Some(known) = known {
            known.counted = true;
            return Ok(Qos2::Repeated);
        }
        let open = Open {
            kept: make(),
            counted: true,
        };
        self.open.push(packet_id, open);
        Ok(Qos2::New)
    }

    /// PUBREL: closes the id and hands over what was kept. `None` if it was not open (PUBCOMP all
    /// the same; 5.0 says 0x92).
    pub fn handle_pubrel(&mut self, packet_id: PacketId) -> Option<M> {
        let open = self.open.remove(self.open.position(packet_id)?)?;
        self.counted -= usize::from(open.counted);
        Some(open.kept)
    }

    /// The message was refused by a PUBREC of 0x80 or more: the id is closed, nothing follows.
    pub fn refuse(&mut self, packet_id: PacketId) -> Option<M> {
        self.handle_pubrel(packet_id)
    }

    /// Whether an id is open.
    #[must_use]
    pub fn contains(&self, packet_id: PacketId) -> bool {
        self.open.contains(packet_id)
    }

    /// How many ids count against the Receive Maximum: those whose PUBLISH came on this connection.
    #[must_use]
    pub fn counted(&self) -> usize {
        self.counted
    }

    /// Whether an id is one of them.
    #[must_use]
    pub fn is_counted(&self, packet_id: PacketId) -> bool {
        let position = self.open.position(packet_id);
        let open = position.and_then(|position| self.open.at(position));
        open.is_some_and(|(_, open)| open.counted)
    }

    /// How many ids are open.
    #[must_use]
    pub fn len(&self) -> usize {
        self.open.len()
    }

    /// Whether none is.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.open.is_empty()
    }

    /// Open ids and what is kept with them, in the order of arrival.
    pub fn iter(&self) -> impl Iterator<Item = (PacketId, &M)> {
        self.open
            .iter()
            .map(|(packet_id, open)| (packet_id, &open.kept))
    }

    /// The session ends: nothing stays open.
    pub fn clear(&mut self) {
        drop(self.open.take());
        self.counted = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(value: u16) -> PacketId {
        PacketId::new(value).unwrap()
    }

    fn inbound(receive_maximum: u16) -> Inbound<u32> {
        Inbound::new(NonZeroU16::new(receive_maximum).unwrap())
    }

    #[test]
    fn a_message_is_processed_once_until_its_id_is_released() {
        let mut inbound = inbound(10);
        assert_eq!(inbound.handle_qos2(id(1), || 1), Ok(Qos2::New));
        assert_eq!(inbound.handle_qos2(id(1), || 2), Ok(Qos2::Repeated));
        assert_eq!(inbound.handle_pubrel(id(1)), Some(1));
        assert_eq!(inbound.handle_pubrel(id(1)), None);
        assert_eq!(inbound.handle_qos2(id(1), || 3), Ok(Qos2::New));
    }

    #[test]
    fn a_repeat_is_not_counted_against_the_receive_maximum() {
        let mut inbound = inbound(2);
        assert_eq!(inbound.handle_qos2(id(1), || 1), Ok(Qos2::New));
        assert_eq!(inbound.handle_qos2(id(2), || 2), Ok(Qos2::New));
        assert_eq!(inbound.handle_qos2(id(2), || 2), Ok(Qos2::Repeated));
        let receive_maximum = NonZeroU16::new(2).unwrap();
        assert_eq!(
            inbound.handle_qos2(id(3), || 3),
            Err(ReceiveMaximumExceeded { receive_maximum })
        );
        assert_eq!(inbound.refuse(id(1)), Some(1));
        assert_eq!(inbound.handle_qos2(id(3), || 3), Ok(Qos2::New));
    }

    #[test]
    fn open_ids_survive_a_new_connection_and_end_with_the_session() {
        let mut inbound = inbound(5);
        for value in [9, 3, 5] {
            inbound.handle_qos2(id(value), || u32::from(value)).unwrap();
        }
        inbound.handle_connected(NonZeroU16::MIN);
        assert_eq!(inbound.counted(), 0);
        for _ in 0..2 {
            assert_eq!(inbound.handle_qos2(id(3), || 0), Ok(Qos2::Repeated));
        }
        assert!(inbound.is_counted(id(3)) && !inbound.is_counted(id(9)));
        assert!(inbound.handle_qos2(id(4), || 0).is_err());
        assert!(inbound.handle_qos2(id(9), || 0).is_err());
        // What came on an earlier connection alone takes no place, and gives none back.
        assert_eq!(inbound.handle_pubrel(id(5)), Some(5));
        assert!(inbound.handle_qos2(id(4), || 0).is_err());
        assert_eq!(inbound.handle_pubrel(id(3)), Some(3));
        assert_eq!(inbound.handle_qos2(id(4), || 4), Ok(Qos2::New));
        assert_eq!(
            inbound
                .iter()
                .map(|(open, _)| open.get())
                .collect::<Vec<_>>(),
            [9, 4]
        );
        inbound.clear();
        assert!(inbound.is_empty());
    }
}
