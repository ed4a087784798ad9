//! QoS 1 and 2 messages that were sent and are not finished: order, window, ids, sending again.

use std::num::NonZeroU16;

use mqtt_codec::{PacketId, QoS, ReasonCode};

use crate::id_queue::IdQueue;

#[cfg(test)]
mod model;
#[cfg(test)]
mod tests;

/// Open deliveries in the order in which they were sent; `M` is what has to be kept in order to
/// send a message again. An empty one allocates nothing.
///
/// The send quota (MQTT 5, 4.9) falls with every PUBLISH and rises only with the answer that ends
/// an open delivery, so stray answers do not move it, and it never passes the window.
///
/// ```
/// # use std::num::NonZeroU16;
/// # use mqtt_codec::QoS;
/// # use mqtt_session::outbound::Outbound;
/// let mut outbound = Outbound::new(NonZeroU16::MIN);
/// let packet_id = outbound.start(QoS::AtLeastOnce, "message");
/// assert!(!outbound.has_room());
/// assert_eq!(outbound.handle_puback(packet_id), Ok("message"));
/// assert!(outbound.has_room());
/// ```
#[derive(Debug, Clone)]
pub struct Outbound<M> {
    open: IdQueue<Delivery<M>>,
    window: NonZeroU16,
    /// Deliveries that hold a slot of the window.
    slots_held: u16,
    /// Deliveries at the end of `open` that the present connection has not seen yet.
    resend_left: usize,
    /// The id given last.
    last_id: PacketId,
}

#[derive(Debug, Clone)]
struct Delivery<M> {
    state: State<M>,
    holds_slot: bool,
    /// Whether the present connection still has to see it.
    resend: bool,
}

#[derive(Debug, Clone)]
enum State<M> {
    Qos1(M),
    Qos2(M),
    Released,
}

/// A delivery that was open before a restart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reopened<M> {
    /// QoS 1 that waits for PUBACK.
    Qos1(M),
    /// QoS 2 that waits for PUBREC.
    Qos2(M),
    /// QoS 2 that waits for PUBCOMP.
    Pubrel,
}

/// What an open delivery waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Stage {
    /// QoS 1.
    AwaitsPuback,
    /// QoS 2, not yet taken over by the peer.
    AwaitsPubrec,
    /// QoS 2, taken over: the message itself is kept no longer.
    AwaitsPubcomp,
}

/// What follows from a PUBREC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pubrec<M> {
    /// The peer took the message over: send PUBREL.
    Release(M),
    /// It had done so before: send PUBREL again.
    Repeated,
    /// It refused the message (a code of 0x80 or more): the delivery is over, no PUBREL.
    Refused(M),
}

/// What to send again, first to last.
#[derive(Debug, PartialEq, Eq)]
pub enum Resend<'a, M> {
    /// The PUBLISH, with DUP set and its old packet id. \[MQTT-3.3.1-1\]
    Publish {
        /// The id it had.
        packet_id: PacketId,
        /// 1 or 2.
        qos: QoS,
        /// What was kept.
        message: &'a M,
    },
    /// The PUBREL alone; its PUBLISH must not be repeated. \[MQTT-4.3.3-6\]
    Pubrel {
        /// The id of the delivery.
        packet_id: PacketId,
    },
}

/// An acknowledgement that fits no open delivery. The quota has not moved.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AckError {
    /// No delivery is open under the id. PUBREC is answered by PUBREL (5.0: 0x92), others by nothing.
    #[error("no delivery is open under this packet identifier")]
    Unknown,
    /// One is open, but waits for another packet.
    #[error("the delivery under this packet identifier waits for another packet")]
    Mismatch,
}

impl<M> Outbound<M> {
    /// `window` is the peer's Receive Maximum, or less.
    #[must_use]
    pub fn new(window: NonZeroU16) -> Self {
        let last_id = PacketId::MAX;
        Self {
            open: IdQueue::new(),
            window,
            slots_held: 0,
            resend_left: 0,
            last_id,
        }
    }

    /// Whether no delivery is open.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.open.is_empty()
    }

    /// Open deliveries, those that wait for PUBCOMP included.
    #[must_use]
    pub fn len(&self) -> usize {
        self.open.len()
    }

    /// The window in force.
    #[must_use]
    pub fn window(&self) -> NonZeroU16 {
        self.window
    }

    /// Whether an id belongs to an open delivery.
    #[must_use]
    pub fn contains(&self, packet_id: PacketId) -> bool {
        self.open.contains(packet_id)
    }

    /// Whether a new message may be sent: there is quota, nothing is left to be sent again, and
    /// some packet id is free.
    #[must_use]
    pub fn has_room(&self) -> bool {
        self.has_quota() && self.resend_left == 0 && self.open.len() < usize::from(u16::MAX)
    }

    /// Opens a delivery for a message of QoS 1 or 2 that is sent now. Takes the next id that is not
    /// in use, 1 first. Needs [`Self::has_room`].
    pub fn start(&mut self, qos: QoS, message: M) -> PacketId {
        self.start_avoiding(qos, message, |_| false)
    }

    /// As [`Self::start`], for a client whose SUBSCRIBE and UNSUBSCRIBE share the ids:
    /// `is_taken` names those. They and the open deliveries must leave an id free.
    pub fn start_avoiding(
        &mut self,
        qos: QoS,
        message: M,
        is_taken: impl Fn(PacketId) -> bool,
    ) -> PacketId {
        debug_assert!(self.has_room() && qos != QoS::AtMostOnce);
        let packet_id = self.next_free_id(is_taken);
        let state = match qos {
            QoS::ExactlyOnce => State::Qos2(message),
            _ => State::Qos1(message),
        };
        self.slots_held = self.slots_held.saturating_add(1);
        self.open.push(
            packet_id,
            Delivery {
                state,
                holds_slot: true,
                resend: false,
            },
        );
        packet_id
    }

    /// Opens a delivery again that a former process had open: it is sent again on the next connection.
    /// Of two with one id the first stays.
    pub fn reopen(&mut self, packet_id: PacketId, delivery: Reopened<M>) {
        if self.open.contains(packet_id) {
            return;
        }
        let state = match delivery {
            Reopened::Qos1(message) => State::Qos1(message),
            Reopened::Qos2(message) => State::Qos2(message),
            Reopened::Pubrel => State::Released,
        };
        self.open.push(
            packet_id,
            Delivery {
                state,
                holds_slot: false,
                resend: true,
            },
        );
        self.resend_left = self.open.len();
        self.last_id = packet_id;
    }

    /// The message of a delivery that the peer has not taken over.
    #[must_use]
    pub fn message(&self, packet_id: PacketId) -> Option<&M> {
        let (_, delivery) = self.open.at(self.open.position(packet_id)?)?;
        match &delivery.state {
            State::Qos1(message) | State::Qos2(message) => Some(message),
            State::Released => None,
        }
    }

    /// The next id that neither a delivery nor `is_taken` uses, for a SUBSCRIBE or UNSUBSCRIBE
    /// that shares them. Some id must be free: an exhausted space would be searched for ever.
    pub fn next_free_id(&mut self, is_taken: impl Fn(PacketId) -> bool) -> PacketId {
        loop {
            self.last_id = self.last_id.next();
            if !self.open.contains(self.last_id) && !is_taken(self.last_id) {
                return self.last_id;
            }
        }
    }

    /// PUBACK, with whatever reason: the delivery is over, the message is handed back.
    ///
    /// # Errors
    /// [`AckError`] if no QoS 1 delivery is open under the id.
    pub fn handle_puback(&mut self, packet_id: PacketId) -> Result<M, AckError> {
        let position = self.open.position(packet_id).ok_or(AckError::Unknown)?;
        match self.open.at(position) {
            Some((
                _,
                Delivery {
                    state: State::Qos1(_),
                    ..
                },
            )) => {}
            _ => return Err(AckError::Mismatch),
        }
        self.close(position).ok_or(AckError::Unknown)
    }

    /// PUBREC; in 3.x, which has no reason code, `reason` is [`ReasonCode::Success`].
    ///
    /// # Errors
    /// [`AckError`] if no QoS 2 delivery is open under the id.
    pub fn handle_pubrec(
        &mut self,
        packet_id: PacketId,
        reason: ReasonCode,
    ) -> Result<Pubrec<M>, AckError> {
        let position = self.open.position(packet_id).ok_or(AckError::Unknown)?;
        let delivery = self.open.at_mut(position).ok_or(AckError::Unknown)?;
        match delivery.state {
            State::Qos1(_) => return Err(AckError::Mismatch),
            State::Qos2(_) if reason.is_error() => {
                return self
                    .close(position)
                    .map(Pubrec::Refused)
                    .ok_or(AckError::Unknown);
            }
            State::Qos2(_) | State::Released => {}
        }
        // The PUBREL that answers now is the one that was owed.
        delivery.resend = false;
        let before = std::mem::replace(&mut delivery.state, State::Released);
        self.skip_settled();
        Ok(match before {
            State::Qos2(message) | State::Qos1(message) => Pubrec::Release(message),
            State::Released => Pubrec::Repeated,
        })
    }

    /// PUBCOMP, with whatever reason: the delivery is over.
    ///
    /// # Errors
    /// [`AckError`] if no delivery waits for PUBCOMP under the id.
    pub fn handle_pubcomp(&mut self, packet_id: PacketId) -> Result<(), AckError> {
        let position = self.open.position(packet_id).ok_or(AckError::Unknown)?;
        match self.open.at(position) {
            Some((
                _,
                Delivery {
                    state: State::Released,
                    ..
                },
            )) => {}
            _ => return Err(AckError::Mismatch),
        }
        self.close(position);
        Ok(())
    }

    /// A new connection resumed the session: the quota starts anew, and everything open waits to
    /// be sent again through [`Self::next_resend`].
    pub fn handle_connected(&mut self, window: NonZeroU16) {
        self.window = window;
        self.slots_held = 0;
        self.resend_left = self.open.len();
        for delivery in self.open.values_mut() {
            delivery.holds_slot = false;
            delivery.resend = true;
        }
    }

    /// What to send again next, in the original order; counts as sent. A PUBLISH waits until there
    /// is quota, and what was sent after it waits with it; a PUBREL takes no quota.
    pub fn next_resend(&mut self) -> Option<Resend<'_, M>> {
        let position = self.open.len().checked_sub(self.resend_left)?;
        let has_quota = self.has_quota();
        let delivery = self.open.at_mut(position)?;
        let is_pubrel = matches!(delivery.state, State::Released);
        if !is_pubrel && !has_quota {
            return None;
        }
        delivery.resend = false;
        if !is_pubrel {
            delivery.holds_slot = true;
            self.slots_held = self.slots_held.saturating_add(1);
        }
        self.skip_settled();
        let (packet_id, delivery) = self.open.at(position)?;
        Some(match &delivery.state {
            State::Qos1(message) => Resend::Publish {
                packet_id,
                qos: QoS::AtLeastOnce,
                message,
            },
            State::Qos2(message) => Resend::Publish {
                packet_id,
                qos: QoS::ExactlyOnce,
                message,
            },
            State::Released => Resend::Pubrel { packet_id },
        })
    }

    /// The message will not be sent again after all: it expired, is no longer allowed or too large.
    /// Frees its id and its slot. `None` if no message is kept under the id.
    pub fn cancel_resend(&mut self, packet_id: PacketId) -> Option<M> {
        let position = self.open.position(packet_id)?;
        match self.open.at(position) {
            Some((
                _,
                Delivery {
                    state: State::Released,
                    ..
                },
            ))
            | None => None,
            Some(_) => self.close(position),
        }
    }

    /// All open deliveries in order, each with its message while that is kept.
    pub fn iter(&self) -> impl Iterator<Item = (PacketId, Stage, Option<&M>)> {
        self.open
            .iter()
            .map(|(packet_id, delivery)| match &delivery.state {
                State::Qos1(message) => (packet_id, Stage::AwaitsPuback, Some(message)),
                State::Qos2(message) => (packet_id, Stage::AwaitsPubrec, Some(message)),
                State::Released => (packet_id, Stage::AwaitsPubcomp, None),
            })
    }

    /// The session ends: hands over, in order, the messages that the peer never took over, and
    /// leaves nothing open.
    pub fn drain(&mut self) -> impl Iterator<Item = (QoS, M)> + use<M> {
        self.slots_held = 0;
        self.resend_left = 0;
        self.open
            .take()
            .filter_map(|(_, delivery)| match delivery.state {
                State::Qos1(message) => Some((QoS::AtLeastOnce, message)),
                State::Qos2(message) => Some((QoS::ExactlyOnce, message)),
                State::Released => None,
            })
    }

    fn has_quota(&self) -> bool {
        self.slots_held < self.window.get()
    }

    /// Ends a delivery: frees its id and, if it held one, its slot.
    fn close(&mut self, position: usize) -> Option<M> {
        let waits = position >= self.open.len().saturating_sub(self.resend_left);
        let delivery = self.open.remove(position)?;
        self.resend_left -= usize::from(waits);
        self.slots_held -= u16::from(delivery.holds_slot);
        self.skip_settled();
        match delivery.state {
            State::Qos1(message) | State::Qos2(message) => Some(message),
            State::Released => None,
        }
    }

    /// Moves the start of what is to be sent again past deliveries that need it no longer.
    fn skip_settled(&mut self) {
        while self.resend_left > 0 {
            match self.open.at(self.open.len() - self.resend_left) {
                Some((_, delivery)) if !delivery.resend => self.resend_left -= 1,
                _ => return,
            }
        }
    }
}
