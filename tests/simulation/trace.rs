//! What happened in a world: a few figures, a number that stands for all of it, and lines to read.

use std::fmt;
use std::io::Write as _;

use mqtt_codec::{Decoded, Limits, Packet, Sender, Version, decode};

/// Figures that show that a world does something.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Worlds.
    pub seeds: u64,
    /// Steps.
    pub steps: u64,
    /// Messages published, by QoS.
    pub published: [u64; 3],
    /// Messages that clients were told of, by QoS.
    pub delivered: [u64; 3],
    /// Of these, repeated ones.
    pub repeated: u64,
    /// Of these, retained ones.
    pub retained: u64,
    /// Of these, by shared subscriptions.
    pub shared: u64,
    /// CONNACKs.
    pub connections: u64,
    /// Of these, with a session that was there.
    pub resumed: u64,
    /// Connections that newer ones took over.
    pub takeovers: u64,
    /// Connections that the network broke.
    pub cuts: u64,
    /// Connections that were silent for too long.
    pub silent: u64,
    /// Sessions that ended by time.
    pub expired: u64,
    /// Wills that were seen.
    pub wills: u64,
    /// Queues that were full and dropped something.
    pub dropping: u64,
    /// Messages too large for their clients.
    pub too_large: u64,
    /// Topics whose retained message was certain in the end.
    pub certain: u64,
    /// Deliveries that had to be there in the end.
    pub owed: u64,
    /// Clients sent away by new settings.
    pub sent_away: u64,
    /// Crashes, each with a restart.
    pub crashes: u64,
    /// Sessions found by a restart.
    pub restored: u64,
    /// Pages of queues that were read.
    pub pages: u64,
    /// Messages in them.
    pub paged: u64,
    /// Journals that a crash left in the middle of a commit.
    pub torn: u64,
    /// Times that the disk was full.
    pub full: u64,
    /// Messages and clients that were turned away for that.
    pub turned_away: u64,
    /// Syncs that failed, each the end of a broker.
    pub failed_syncs: u64,
    /// Journals that were brought into the file.
    pub saved: u64,
}

impl Counts {
    /// Adds those of other worlds.
    pub fn add(&mut self, other: &Self) {
        let pairs = [
            (&mut self.seeds, other.seeds),
            (&mut self.steps, other.steps),
            (&mut self.repeated, other.repeated),
            (&mut self.retained, other.retained),
            (&mut self.shared, other.shared),
            (&mut self.connections, other.connections),
            (&mut self.resumed, other.resumed),
            (&mut self.takeovers, other.takeovers),
            (&mut self.cuts, other.cuts),
            (&mut self.silent, other.silent),
            (&mut self.expired, other.expired),
            (&mut self.wills, other.wills),
            (&mut self.dropping, other.dropping),
            (&mut self.too_large, other.too_large),
            (&mut self.certain, other.certain),
            (&mut self.owed, other.owed),
            (&mut self.sent_away, other.sent_away),
            (&mut self.crashes, other.crashes),
            (&mut self.restored, other.restored),
            (&mut self.pages, other.pages),
            (&mut self.paged, other.paged),
            (&mut self.torn, other.torn),
            (&mut self.full, other.full),
            (&mut self.turned_away, other.turned_away),
            (&mut self.failed_syncs, other.failed_syncs),
            (&mut self.saved, other.saved),
        ];
        for (sum, more) in pairs {
            *sum += more;
        }
        for qos in 0..3 {
            self.published[qos] += other.published[qos];
            self.delivered[qos] += other.delivered[qos];
        }
    }
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [p0, p1, p2] = self.published;
        let [d0, d1, d2] = self.delivered;
        let lines = [
            format!("seeds {}, steps {}", self.seeds, self.steps),
            format!("published at QoS 0, 1, 2: {p0}, {p1}, {p2}"),
            format!("delivered at QoS 0, 1, 2: {d0}, {d1}, {d2}"),
            format!(
                "of these repeated {}, retained {}, by groups {}",
                self.repeated, self.retained, self.shared
            ),
            format!(
                "owed and found in the end {}, retained topics certain {}",
                self.owed, self.certain
            ),
            format!(
                "connections {}, sessions resumed {}, taken over {}, cut {}, silent {}, sent away {}",
                self.connections,
                self.resumed,
                self.takeovers,
                self.cuts,
                self.silent,
                self.sent_away
            ),
            format!(
                "sessions expired {}, wills {}, full queues {}, too large {}",
                self.expired, self.wills, self.dropping, self.too_large
            ),
            format!(
                "crashes {}, sessions restored {}, pages read {} with messages {}",
                self.crashes, self.restored, self.pages, self.paged
            ),
            format!(
                "journals torn {}, saved {}, full disks {}, turned away {}, failed syncs {}",
                self.torn, self.saved, self.full, self.turned_away, self.failed_syncs
            ),
        ];
        f.write_str(&lines.join("\n"))
    }
}

/// Hears of everything.
#[derive(Debug)]
pub(crate) struct Trace {
    /// Lines are written.
    on: bool,
    /// Stands for all that happened: FNV-1a.
    pub(crate) hash: u64,
    pub(crate) now: u64,
}

impl Trace {
    pub(crate) fn new(on: bool) -> Self {
        Self {
            on,
            hash: 0xcbf2_9ce4_8422_2325,
            now: 0,
        }
    }

    /// Something happened; `what` says it in words.
    pub(crate) fn say(&mut self, facts: &[u64], what: impl FnOnce() -> String) {
        for fact in facts {
            self.hash = (self.hash ^ fact).wrapping_mul(0x0000_0100_0000_01b3);
        }
        if self.on {
            self.line(&what());
        }
    }

    /// A client wrote or read a packet.
    pub(crate) fn packet(
        &mut self,
        slot: usize,
        arrow: &str,
        bytes: &[u8],
        who: (Sender, Version),
    ) {
        let (sender, version) = who;
        let facts = [slot as u64, bytes.len() as u64, u64::from(bytes[0])];
        self.say(&facts, || {
            let text = match decode(bytes, version, sender, &Limits::default()) {
                Ok(Decoded::Packet { packet, .. }) => describe(&packet),
                other => format!("{other:?}"),
            };
            format!("c{slot} {arrow} {text}")
        });
    }

    fn line(&self, text: &str) {
        // Who reads a trace may stop reading it.
        let _closed = writeln!(std::io::stdout().lock(), "{:>9} ms  {text}", self.now);
    }
}

fn describe(packet: &Packet<'_>) -> String {
    match packet {
        Packet::Publish(publish) => {
            let number = super::payload::number(publish.payload);
            format!(
                "PUBLISH {} QoS {}{}{} id {:?}, message {number:?} of {} bytes {:?}",
                publish.topic.map_or("(alias)", |topic| topic.as_str()),
                publish.qos.as_u8(),
                if publish.dup { " DUP" } else { "" },
                if publish.retain { " RETAIN" } else { "" },
                publish.packet_id.map(mqtt_codec::PacketId::get),
                publish.payload.len(),
                publish.properties.iter().collect::<Vec<_>>(),
            )
        }
        Packet::Connect(connect) => format!(
            "CONNECT {} {:?} clean {} keep alive {} will {}",
            connect.client_id,
            connect.version,
            connect.clean_start,
            connect.keep_alive,
            connect.will.is_some()
        ),
        other => {
            let mut text = format!("{other:?}");
            text.truncate(160);
            text
        }
    }
}
