//! SUBSCRIBE, UNSUBSCRIBE and AUTH: asked by the program, answered by the server.

use mqtt_codec::{
    Packet, PacketId, Properties, PropertyPlace, ReasonCode, Sender, Suback, Subscribe,
    SubscribeFiltersBuf, SubscriptionOptions, TopicFilter, Unsuback, Unsubscribe,
    UnsubscribeFiltersBuf,
};

use crate::time::Instant;

use super::connected::Connected;
use super::error::{Failure, RequestError};
use super::event::Event;
use super::session::{ClientSession, Phase};

/// Requests that may wait for their answer at a time.
const OPEN_REQUESTS_MAX: usize = 1_024;

/// A request without an answer yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Request {
    Subscribe { filters: usize },
    Unsubscribe { filters: usize },
}

impl ClientSession {
    /// Subscribes to all filters with one packet, whose id comes back in [`Event::Subscribed`].
    ///
    /// # Errors
    /// [`RequestError`]: nothing was sent.
    pub fn subscribe<'f>(
        &mut self,
        now: Instant,
        filters: impl IntoIterator<Item = (&'f str, SubscriptionOptions)>,
        properties: Properties<'_>,
    ) -> Result<PacketId, RequestError> {
        let connected = self.connected.as_ref().ok_or(RequestError::NotConnected)?;
        let mut list = SubscribeFiltersBuf::new();
        for (filter, options) in filters {
            check_filter(filter, options, connected)?;
            list.push(filter, options);
        }
        let numbered = properties.subscription_identifiers().next().is_some();
        if numbered && !connected.subscription_identifier_available {
            let code = ReasonCode::SubscriptionIdentifiersNotSupported;
            return Err(RequestError::SubscriptionNotSupported(code));
        }
        let properties = self.v5_only(properties, PropertyPlace::Subscribe)?;
        let packet_id = self.next_request_id(list.len())?;
        let packet = Packet::Subscribe(Subscribe {
            packet_id,
            properties,
            filters: list.as_filters(),
        });
        self.send_request(
            now,
            &packet,
            packet_id,
            Request::Subscribe {
                filters: list.len(),
            },
        )
    }

    /// Ends subscriptions with one packet, whose id comes back in [`Event::Unsubscribed`].
    ///
    /// # Errors
    /// [`RequestError`]: nothing was sent.
    pub fn unsubscribe<'f>(
        &mut self,
        now: Instant,
        filters: impl IntoIterator<Item = &'f str>,
        properties: Properties<'_>,
    ) -> Result<PacketId, RequestError> {
        let mut list = UnsubscribeFiltersBuf::new();
        for filter in filters {
            TopicFilter::parse(filter).map_err(|_| RequestError::FilterInvalid)?;
            list.push(filter);
        }
        let properties = self.v5_only(properties, PropertyPlace::Unsubscribe)?;
        let packet_id = self.next_request_id(list.len())?;
        let packet = Packet::Unsubscribe(Unsubscribe {
            packet_id,
            properties,
            filters: list.as_filters(),
        });
        self.send_request(
            now,
            &packet,
            packet_id,
            Request::Unsubscribe {
                filters: list.len(),
            },
        )
    }

    /// The properties as they are sent: none in 3.x, and in 5.0 none that the server would refuse.
    pub(super) fn v5_only<'p>(
        &self,
        properties: Properties<'p>,
        place: PropertyPlace,
    ) -> Result<Properties<'p>, RequestError> {
        if !self.settings.version.is_v5() {
            return Ok(Properties::EMPTY);
        }
        let checked = properties.check(place, Sender::Client);
        checked.map_err(RequestError::PropertiesInvalid)?;
        Ok(properties)
    }

    fn next_request_id(&mut self, filters: usize) -> Result<PacketId, RequestError> {
        if self.phase != Phase::Connected {
            return Err(RequestError::NotConnected);
        }
        if filters == 0 {
            return Err(RequestError::NoFilters);
        }
        let ids_in_use = self.outbound.len() + self.requests.len();
        if self.requests.len() >= OPEN_REQUESTS_MAX || ids_in_use >= usize::from(u16::MAX) {
            return Err(RequestError::TooManyRequests);
        }
        let requests = &self.requests;
        Ok(self.outbound.next_free_id(|id| requests.contains(id)))
    }

    fn send_request(
        &mut self,
        now: Instant,
        packet: &Packet<'_>,
        packet_id: PacketId,
        request: Request,
    ) -> Result<PacketId, RequestError> {
        let connected = self.connected.as_ref().ok_or(RequestError::NotConnected)?;
        let size = packet.encoded_len(self.settings.version);
        let limit = connected.maximum_packet_size;
        if size > limit as usize {
            return Err(RequestError::PacketTooLarge { size, limit });
        }
        self.requests.push(packet_id, request);
        self.send(now, packet);
        Ok(packet_id)
    }

    pub(super) fn handle_suback<'a>(
        &mut self,
        now: Instant,
        suback: Suback<'a>,
    ) -> Result<Option<Event<'a>>, Failure> {
        let Suback {
            packet_id,
            properties,
            reasons,
        } = suback;
        let answered = self.close_request(packet_id);
        match answered {
            // Nobody waits for it.
            None => Ok(None),
            // [MQTT-3.9.3-1]
            Some(Request::Subscribe { filters }) if filters == reasons.len() => {
                Ok(Some(Event::Subscribed {
                    packet_id,
                    reasons,
                    properties,
                }))
            }
            Some(_) => Err(self.fail(now, Failure::protocol("SUBACK that fits no SUBSCRIBE"))),
        }
    }

    pub(super) fn handle_unsuback<'a>(
        &mut self,
        now: Instant,
        unsuback: Unsuback<'a>,
    ) -> Result<Option<Event<'a>>, Failure> {
        let Unsuback {
            packet_id,
            properties,
            reasons,
        } = unsuback;
        let is_v5 = self.settings.version.is_v5();
        match self.close_request(packet_id) {
            None => Ok(None),
            // [MQTT-3.11.3-1]
            Some(Request::Unsubscribe { filters }) if !is_v5 || filters == reasons.len() => {
                Ok(Some(Event::Unsubscribed {
                    packet_id,
                    reasons,
                    properties,
                }))
            }
            Some(_) => Err(self.fail(now, Failure::protocol("UNSUBACK that fits no UNSUBSCRIBE"))),
        }
    }

    fn close_request(&mut self, packet_id: PacketId) -> Option<Request> {
        self.requests.remove(self.requests.position(packet_id)?)
    }
}

/// Compares a filter with the standard and with what the server supports.
fn check_filter(
    filter: &str,
    options: SubscriptionOptions,
    connected: &Connected,
) -> Result<(), RequestError> {
    let filter = TopicFilter::parse(filter).map_err(|_| RequestError::FilterInvalid)?;
    if filter.is_shared() && options.no_local {
        return Err(RequestError::NoLocalOnShared);
    }
    let missing = if filter.has_wildcard() && !connected.wildcard_subscription_available {
        ReasonCode::WildcardSubscriptionsNotSupported
    } else if filter.is_shared() && !connected.shared_subscription_available {
        ReasonCode::SharedSubscriptionsNotSupported
    } else {
        return Ok(());
    };
    Err(RequestError::SubscriptionNotSupported(missing))
}
