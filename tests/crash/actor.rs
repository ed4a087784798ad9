//! A client with a session of its own that outlives every connection.

use std::num::NonZeroU16;
use std::sync::Arc;
use std::time::Duration;

use mqtt_client::{Address, Connection, Error, Event, Options, Property, ReasonCode, Version};
use mqtt_tests::PATIENCE;
use tokio::time::{sleep, timeout};

use crate::rng::Rng;
use crate::world::World;

/// How often the world is looked at.
pub(crate) const LOOK: Duration = Duration::from_millis(5);
/// Longer than any run.
const SESSION_EXPIRY_SECONDS: u32 = 86_400;

/// There is no connection any more.
#[derive(Debug)]
pub(crate) struct Lost;

pub(crate) struct Actor {
    pub(crate) world: Arc<World>,
    pub(crate) rng: Rng,
    pub(crate) name: String,
    pub(crate) connection: Connection,
    /// The broker has promised to keep the session.
    has_session: bool,
    /// It did not.
    pub(crate) lost_session: bool,
    durable: bool,
}

impl Actor {
    /// A client with a durable session, and so many of its own messages under way at a time.
    pub(crate) fn new(
        world: &Arc<World>,
        rng: Rng,
        name: &str,
        version: Version,
        window: u16,
    ) -> Self {
        let options = Self::options(world, name, version)
            .clean_start(false)
            .max_inflight(NonZeroU16::new(window).expect("a window"));
        let expiry = Property::SessionExpiryInterval(SESSION_EXPIRY_SECONDS);
        let options = match version {
            Version::V5 => options.connect_properties([expiry].into_iter().collect()),
            _ => options,
        };
        Self::with(world, rng, name, options, true)
    }

    /// A client whose session ends with its connection.
    pub(crate) fn clean(world: &Arc<World>, rng: Rng, name: &str) -> Self {
        let options = Self::options(world, name, Version::V5);
        Self::with(world, rng, name, options, false)
    }

    fn options(world: &World, name: &str, version: Version) -> Options {
        Options::new(Address::tcp("127.0.0.1", world.port))
            .version(version)
            .client_id(name)
    }

    fn with(world: &Arc<World>, rng: Rng, name: &str, options: Options, durable: bool) -> Self {
        Self {
            world: Arc::clone(world),
            rng,
            name: name.to_owned(),
            connection: Connection::new(options),
            has_session: false,
            lost_session: false,
            durable,
        }
    }

    /// Waits for a broker and connects. The session that was promised must be there.
    pub(crate) async fn connect(&mut self) -> Result<(), Lost> {
        while !self.world.is_up() {
            sleep(LOOK).await;
        }
        if self.connection.dial().await.is_err() {
            sleep(LOOK).await;
            return Err(Lost);
        }
        let connected = self
            .wait_for("CONNACK", |_, event| match event {
                Event::Connected(connected) => Some(connected),
                _ => None,
            })
            .await?;
        if self.has_session && !connected.session_present {
            self.fail("its session is gone");
            self.world.count("sessions lost");
            self.lost_session = true;
        }
        self.has_session = self.durable;
        Ok(())
    }

    /// Pumps until an event is the one waited for; the others go through `take` as well.
    pub(crate) async fn wait_for<T>(
        &mut self,
        what: &str,
        mut take: impl FnMut(&Self, Event) -> Option<T>,
    ) -> Result<T, Lost> {
        loop {
            match self.event(PATIENCE).await? {
                Some(event) => {
                    if let Some(found) = take(self, event) {
                        return Ok(found);
                    }
                }
                None => {
                    self.fail(&format!("waits in vain for {what}"));
                    self.connection.close();
                    return Err(Lost);
                }
            }
        }
    }

    /// The next event, or nothing when there is none for so long.
    pub(crate) async fn event(&mut self, patience: Duration) -> Result<Option<Event>, Lost> {
        match timeout(patience, self.connection.next_event()).await {
            Err(_) => Ok(None),
            Ok(Ok(event)) => Ok(Some(event)),
            Ok(Err(Error::Lost(_) | Error::Closed)) => Err(Lost),
            // An orderly end, which loses nothing either.
            Ok(Err(Error::Disconnected {
                reason: ReasonCode::ServerShuttingDown,
                ..
            })) => Err(Lost),
            Ok(Err(error)) => {
                self.fail(&error.to_string());
                self.connection.close();
                Err(Lost)
            }
        }
    }

    pub(crate) fn fail(&self, what: &str) {
        self.world.fail(format!("{}: {what}", self.name));
    }
}

/// The number that a payload begins with.
pub(crate) fn number_of(payload: &[u8]) -> u64 {
    let text = String::from_utf8_lossy(payload);
    let number = text.split(' ').next().and_then(|word| word.parse().ok());
    number.expect("our payloads begin with a number")
}

/// Last level but one of topics whose messages have no payload: the last one is the number.
pub(crate) const EMPTY: &str = "empty";

/// Topic and number of a message, wherever that stands.
pub(crate) fn named<'a>(topic: &'a str, payload: &[u8]) -> (&'a str, u64) {
    match topic.rsplit_once('/') {
        Some((above, number)) if payload.is_empty() => {
            (above, number.parse().expect("our topics end with a number"))
        }
        _ => (topic, number_of(payload)),
    }
}
