//! A broker with its links, from the inside.

use std::ffi::OsString;
use std::path::Path;

use super::*;
use crate::config::Origin;

/// A file system with one configuration file.
pub(super) struct OneFile<'a>(&'a str);

impl Files for OneFile<'_> {
    fn read(&self, _: &Path) -> io::Result<Vec<u8>> {
        Ok(self.0.as_bytes().to_vec())
    }

    fn list(&self, _: &Path) -> io::Result<Vec<OsString>> {
        Err(io::ErrorKind::NotFound.into())
    }
}

pub(super) fn config(text: &str) -> Config {
    let origin = Origin {
        files: vec!["broker.conf".into()],
        ..Origin::default()
    };
    Config::load(origin, &OneFile(text)).unwrap().config
}

#[test]
fn shards_and_the_interval_of_sys_come_from_the_configuration() {
    assert_eq!(shards_of(&config("shards 3\n")), 3);
    assert!(shards_of(&config("")) >= 1);
    assert_eq!(sys_seconds(&config("sys_interval 0\n")), 0);
    assert_eq!(sys_seconds(&config("")), 10);
}

/// A broker at a unix socket, so that tests need no port; and its log file's text at the end.
fn with_broker<F: Future>(options: &str, test: impl FnOnce(Broker) -> F) -> String {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("log");
    let text = format!(
        "listener 0 {}\nlog_dest file {}\nlog_timestamp false\n{options}",
        folder.path().join("socket").display(),
        log.display()
    );
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let broker = Broker::builder(config(&text)).shards(2).start().unwrap();
        let log = broker.log.clone();
        test(broker).await;
        log.close();
    });
    std::fs::read_to_string(log).unwrap()
}

#[test]
fn links_on_all_shards_hear_each_other_and_the_broker_about_itself() {
    with_broker("", async |broker| {
        let (hears, mut messages) = broker.link("hears").await.unwrap();
        let (says, _) = broker.link("says").await.unwrap();
        let options = mqtt_client::SubscriptionOptions::default();
        let none = mqtt_client::Properties::EMPTY;
        hears.subscribe(&[("a/#", options)], none).await.unwrap();
        let message = mqtt_client::Publication::new("a/b", "hi");
        says.publish(message.qos(mqtt_client::QoS::AtLeastOnce))
            .await
            .unwrap();
        assert_eq!(messages.next().await.unwrap().topic(), "a/b");

        hears
            .subscribe(&[("$SYS/broker/version", options)], none)
            .await
            .unwrap();
        let version = messages.next().await.unwrap();
        assert_eq!(
            version.payload(),
            concat!("mqtt-broker version ", env!("CARGO_PKG_VERSION"))
        );
        broker.stop().await.unwrap();
        assert!(messages.next().await.is_none());
    });
}

#[test]
fn without_an_interval_there_is_no_sys_until_a_reload_asks_for_it() {
    let log = with_broker("sys_interval 0\n", async |mut broker| {
        let (hears, mut messages) = broker.link("hears").await.unwrap();
        let options = mqtt_client::SubscriptionOptions::default();
        let none = mqtt_client::Properties::EMPTY;
        hears
            .subscribe(&[("$SYS/broker/uptime", options)], none)
            .await
            .unwrap();

        let crate::config::Address::Unix(socket) = broker.config.listeners[0].address.clone()
        else {
            panic!("it listens at a unix socket")
        };
        broker.reload(&OneFile("max_qos nonsense\n"));
        broker.reload(&OneFile(&format!(
            "listener 0 {}\nlog_dest file {}\nlog_timestamp false\nsys_interval 1\n",
            socket.display(),
            broker.config.log.file.as_deref().unwrap().display()
        )));
        let uptime = messages.next().await.unwrap();
        assert!(uptime.payload().ends_with(b" seconds"));
        broker.stop().await.unwrap();
    });
    let errors: Vec<&str> = log
        .lines()
        .filter(|line| line.starts_with("Error: "))
        .collect();
    assert_eq!(errors.len(), 2, "{log}");
    assert!(errors[0].starts_with("Error: broker.conf:1: "), "{log}");
}

#[test]
fn a_task_that_panics_is_heard_of_and_one_that_ends_is_not_missed() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .unwrap();
    runtime.block_on(async {
        let failure = panic_of(&mut Some(tokio::spawn(async { panic!("on purpose") }))).await;
        assert_eq!(failure.thread, "control");
        assert!(failure.reason.contains("on purpose"), "{failure}");
        let mut ended = Some(tokio::spawn(async {}));
        let moment = Duration::from_millis(10);
        assert!(
            tokio::time::timeout(moment, panic_of(&mut ended))
                .await
                .is_err()
        );
        assert!(ended.is_none());
    });
}
