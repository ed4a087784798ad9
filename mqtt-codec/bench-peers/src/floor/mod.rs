//! The floor: the same work by hand, for the five shapes only.

mod decode;
mod encode;

pub use decode::decode;

/// A packet as the floor sees it, borrowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Packet<'a> {
    /// CONNECT.
    Connect(Connect<'a>),
    /// PUBLISH.
    Publish(Publish<'a>),
    /// SUBSCRIBE.
    Subscribe(Subscribe<'a>),
    /// PUBACK.
    Puback(Puback<'a>),
}

/// Fields of a CONNECT.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the standard's fields, by their names")]
pub struct Connect<'a> {
    pub flags: u8,
    pub keep_alive: u16,
    pub properties: &'a [u8],
    pub client_id: &'a str,
    pub will: Option<(&'a [u8], &'a str, &'a [u8])>,
    pub user_name: Option<&'a str>,
    pub password: Option<&'a [u8]>,
}

/// Fields of a PUBLISH.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the standard's fields, by their names")]
pub struct Publish<'a> {
    pub flags: u8,
    pub topic: &'a str,
    pub packet_id: u16,
    pub properties: &'a [u8],
    pub payload: &'a [u8],
}

/// Fields of a SUBSCRIBE.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the standard's fields, by their names")]
pub struct Subscribe<'a> {
    pub packet_id: u16,
    pub properties: &'a [u8],
    pub filters: &'a [u8],
    pub count: usize,
}

/// Fields of a PUBACK.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the standard's fields, by their names")]
pub struct Puback<'a> {
    pub packet_id: u16,
    pub reason: u8,
    pub properties: &'a [u8],
}
