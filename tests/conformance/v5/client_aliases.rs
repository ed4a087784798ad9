//! Topic aliases as the client uses and takes them (5.0, 3.3.2.3.4).

use mqtt_client::{Options, Properties, PropertiesBuf, Property, Publication};

use super::packets::{Publish, property};
use crate::stage::{ACCEPTED, Stage, accepted_with};

/// [MQTT-3.2.2-18] A server that announces no Topic Alias Maximum, or 0, is sent no alias, neither
/// one of the client's own nor one that the program asks for.
#[tokio::test]
async fn v5_3_2_2_18() {
    let zero = accepted_with(&property::topic_alias_maximum(0));
    for connack in [ACCEPTED.to_vec(), zero] {
        for own in [0, 10] {
            let options = |options: Options| options.automatic_topic_aliases(own);
            let mut stage = Stage::connected(options, &connack).await;
            let alias: PropertiesBuf = [Property::TopicAlias(1)].into_iter().collect();
            for properties in [Properties::EMPTY, alias.as_properties(), Properties::EMPTY] {
                let message = Publication::new("t", "x").properties(properties);
                stage.client.publish(message).expect("it is sent");
                stage.expect(Publish::new("t", "x").bytes()).await;
            }
        }
    }
}

/// [MQTT-3.3.2-10] Aliases from 1 to the client's own maximum are taken, and no others: 0x94.
#[tokio::test]
async fn v5_3_3_2_10() {
    let maximum: PropertiesBuf = [Property::TopicAliasMaximum(3)].into_iter().collect();
    for wrong in [0, 4, 0xffff] {
        let options = |options: Options| options.connect_properties(maximum.clone());
        let mut stage = Stage::connected(options, ACCEPTED).await;
        let send = |topic: &str, alias| {
            let publish = Publish::new(topic, format!("for {alias}"));
            publish.with(property::topic_alias(alias)).bytes()
        };
        for alias in 1..=3 {
            stage.say(send(&format!("topic/{alias}"), alias)).await;
        }
        for alias in (1..=3).rev() {
            stage.say(send("", alias)).await;
        }
        // An alias may be given to another topic.
        stage.say(send("other", 1)).await;
        stage.say(send("", 1)).await;
        for (topic, alias) in [
            ("topic/1", 1),
            ("topic/2", 2),
            ("topic/3", 3),
            ("topic/3", 3),
            ("topic/2", 2),
            ("topic/1", 1),
            ("other", 1),
            ("other", 1),
        ] {
            let expected = (topic.to_owned(), format!("for {alias}"));
            assert_eq!(stage.message().await, expected);
        }
        stage.say(send("t", wrong)).await;
        stage.expect_refusal(0x94).await;
    }
}
