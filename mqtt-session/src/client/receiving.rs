//! Messages from the server: aliases, Receive Maximum, exactly once.

use mqtt_codec::{Ack, Packet, PacketId, Publish, QoS, ReasonCode};

use crate::inbound::Qos2;
use crate::time::Instant;

use super::error::Failure;
use super::event::Event;
use super::session::ClientSession;
use super::settings::Acknowledge;

impl ClientSession {
    pub(super) fn handle_publish<'a>(
        &'a mut self,
        now: Instant,
        mut publish: Publish<'a>,
    ) -> Result<Option<Event<'a>>, Failure> {
        if let Some(packet_id) = publish.packet_id
            && !self.take_over(now, packet_id, publish.qos)?
        {
            // Its alias was set when it came first; the table may be that of a later connection.
            self.resolve(now, &mut publish)?;
            return Ok(None);
        }
        self.resolve(now, &mut publish)?;
        Ok(Some(Event::Message(publish)))
    }

    /// Keeps the books for a QoS 1 or 2 message and answers it if that is not up to the program.
    /// False if the message was told before.
    fn take_over(&mut self, now: Instant, packet_id: PacketId, qos: QoS) -> Result<bool, Failure> {
        let receive_maximum = usize::from(self.settings.receive_maximum().get());
        let open = self.owed.open_qos1() + self.inbound.counted();
        let is_repeated = qos == QoS::ExactlyOnce && self.inbound.contains(packet_id);
        let is_counted = is_repeated && self.inbound.is_counted(packet_id);
        if !is_counted && open >= receive_maximum {
            return Err(self.exceeded(now));
        }
        if self.owed.contains(packet_id) {
            if is_repeated {
                return Ok(false);
            }
            let detail = "a packet identifier that is in use";
            return Err(self.fail(now, Failure::protocol(detail)));
        }
        if qos == QoS::ExactlyOnce {
            match self.inbound.handle_qos2(packet_id, || ()) {
                Ok(Qos2::New) => {}
                Ok(Qos2::Repeated) => {
                    self.answer(now, packet_id, qos, ReasonCode::Success);
                    return Ok(false);
                }
                Err(_) => return Err(self.exceeded(now)),
            }
        }
        match self.settings.acknowledge {
            Acknowledge::Automatically => self.answer(now, packet_id, qos, ReasonCode::Success),
            Acknowledge::ByHand => self.owed.push(packet_id, qos),
        }
        Ok(true)
    }

    fn exceeded(&mut self, now: Instant) -> Failure {
        let reason = ReasonCode::ReceiveMaximumExceeded;
        let detail = "more messages are open than the Receive Maximum allows".to_owned();
        self.fail(now, Failure::Protocol { reason, detail })
    }

    /// Puts the topic in the place of an alias, and remembers what an alias stands for.
    fn resolve<'a>(&'a mut self, now: Instant, publish: &mut Publish<'a>) -> Result<(), Failure> {
        let alias = publish.properties.topic_alias();
        if alias.is_none() && publish.topic.is_some() {
            return Ok(());
        }
        // Two steps, since a failure needs the whole session again.
        if let Err(error) = self.inbound_aliases.resolve(publish.topic, alias) {
            let reason = error.reason_code();
            return Err(self.fail(
                now,
                Failure::Protocol {
                    reason,
                    detail: error.to_string(),
                },
            ));
        }
        if publish.topic.is_none() {
            publish.topic = self.inbound_aliases.resolve(None, alias).ok();
        }
        Ok(())
    }

    pub(super) fn handle_pubrel(
        &mut self,
        now: Instant,
        packet_id: PacketId,
    ) -> Option<Event<'static>> {
        let mut pubcomp = Ack::new(packet_id);
        let released = self.inbound.handle_pubrel(packet_id);
        if released.is_none() {
            pubcomp.reason = ReasonCode::PacketIdentifierNotFound;
        }
        self.send(now, &Packet::Pubcomp(pubcomp));
        released.map(|()| Event::Released(packet_id))
    }
}
