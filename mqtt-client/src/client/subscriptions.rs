//! What the client has subscribed to: for subscribing again, and for telling streams apart.

use mqtt_codec::{PropertiesBuf, ReasonCode, SubscriptionOptions, TopicFilter, TopicName};
use tokio::sync::mpsc;

use crate::Message;

use super::command::Subscribe;

/// Filters in one SUBSCRIBE when the client subscribes again.
const FILTERS_MAX: usize = 64;

/// All that was granted, each filter once.
#[derive(Default)]
pub(super) struct Subscriptions {
    known: Vec<Known>,
    /// How many have a stream of their own.
    routed: usize,
}

struct Known {
    filter: String,
    options: SubscriptionOptions,
    properties: PropertiesBuf,
    route: Option<mpsc::Sender<Message>>,
}

impl Subscriptions {
    /// The server has answered: what it granted is known from now on, what it refused is not.
    pub(super) fn handle_answer(&mut self, request: &Subscribe, reasons: &[ReasonCode]) {
        for ((filter, options), reason) in request.filters.iter().zip(reasons) {
            self.remove(filter);
            if reason.is_error() {
                continue;
            }
            self.routed += usize::from(request.route.is_some());
            self.known.push(Known {
                filter: filter.clone(),
                options: *options,
                properties: request.properties.clone(),
                route: request.route.clone(),
            });
        }
    }

    pub(super) fn remove(&mut self, filter: &str) {
        self.known.retain(|known| known.filter != filter);
        self.routed = self
            .known
            .iter()
            .filter(|known| known.route.is_some())
            .count();
    }

    /// Whether any stream of its own is still read.
    pub(super) fn has_readers(&self) -> bool {
        self.known
            .iter()
            .any(|known| known.route.as_ref().is_some_and(|route| !route.is_closed()))
    }

    /// The streams that a message goes to; none means the common one.
    pub(super) fn routes(&self, topic: &str) -> Vec<(&str, &mpsc::Sender<Message>)> {
        if self.routed == 0 {
            return Vec::new();
        }
        // The decoder or the alias table has checked the name, SUBSCRIBE the filters.
        let topic = TopicName::trusted(topic);
        let routes = self.known.iter().filter_map(|known| {
            let route = known.route.as_ref()?;
            TopicFilter::trusted(&known.filter)
                .matches(topic)
                .then_some((known.filter.as_str(), route))
        });
        routes.collect()
    }

    /// Requests that restore everything on a server that has forgotten it.
    pub(super) fn restore(&self) -> Vec<Subscribe> {
        let mut requests: Vec<Subscribe> = Vec::new();
        for known in &self.known {
            let filter = (known.filter.clone(), known.options);
            match requests.last_mut() {
                // One SUBSCRIBE has one set of properties; a stream stands for itself.
                Some(last)
                    if last.properties == known.properties
                        && last.route.is_none()
                        && known.route.is_none()
                        && last.filters.len() < FILTERS_MAX =>
                {
                    last.filters.push(filter);
                }
                _ => requests.push(Subscribe {
                    filters: vec![filter],
                    properties: known.properties.clone(),
                    route: known.route.clone(),
                    answer: None,
                }),
            }
        }
        requests
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(filters: &[&str], route: Option<mpsc::Sender<Message>>) -> Subscribe {
        let options = SubscriptionOptions::default();
        let filters = filters
            .iter()
            .map(|filter| ((*filter).to_owned(), options))
            .collect();
        Subscribe {
            filters,
            properties: PropertiesBuf::new(),
            route,
            answer: None,
        }
    }

    fn restored(subscriptions: &Subscriptions) -> Vec<Vec<String>> {
        let names =
            |request: Subscribe| request.filters.into_iter().map(|(name, _)| name).collect();
        subscriptions.restore().into_iter().map(names).collect()
    }

    #[test]
    fn what_was_granted_and_not_ended_is_restored() {
        let mut subscriptions = Subscriptions::default();
        let reasons = [
            ReasonCode::Success,
            ReasonCode::NotAuthorized,
            ReasonCode::GrantedQos1,
        ];
        subscriptions.handle_answer(&request(&["a", "b", "c"], None), &reasons);
        subscriptions.handle_answer(&request(&["a"], None), &[ReasonCode::GrantedQos2]);
        assert_eq!(restored(&subscriptions), [["c", "a"]]);
        subscriptions.remove("c");
        assert_eq!(restored(&subscriptions), [["a"]]);
    }

    #[test]
    fn many_filters_are_restored_with_several_requests() {
        let mut subscriptions = Subscriptions::default();
        let names: Vec<String> = (0..130).map(|number| format!("t/{number}")).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        subscriptions.handle_answer(&request(&names, None), &[ReasonCode::Success; 130]);
        let sizes: Vec<usize> = restored(&subscriptions).iter().map(Vec::len).collect();
        assert_eq!(sizes, [64, 64, 2]);
    }

    #[test]
    fn messages_find_the_streams_of_their_filters() {
        let mut subscriptions = Subscriptions::default();
        let (route, reader) = mpsc::channel(1);
        subscriptions.handle_answer(&request(&["a/#"], Some(route)), &[ReasonCode::Success]);
        subscriptions.handle_answer(&request(&["b"], None), &[ReasonCode::Success]);
        assert_eq!(subscriptions.routes("a/x").len(), 1);
        assert!(subscriptions.routes("b").is_empty());
        assert!(subscriptions.has_readers());
        drop(reader);
        assert!(!subscriptions.has_readers());
        subscriptions.remove("a/#");
        assert!(subscriptions.routes("a/x").is_empty());
    }
}
