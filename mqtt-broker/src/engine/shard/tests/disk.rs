//! What a store has of queues, as far as reading a page needs it.

use std::collections::BTreeMap;

use crate::engine::store_op::{
    Backlog, MessageNo, Page, ReadOp, Receipt, Rows, SavedDelivery, SessionNo, StoreOp,
};

#[derive(Default)]
pub(super) struct Disk {
    rows: BTreeMap<(SessionNo, MessageNo), SavedDelivery>,
    /// Messages whose rows are there and cannot be read.
    pub(super) damaged: Vec<MessageNo>,
}

impl Disk {
    /// Something takes effect; what is read by it.
    pub(super) fn apply(&mut self, op: StoreOp) -> Option<Page> {
        match op {
            StoreOp::Publish(publish) => self.insert(publish.rows),
            StoreOp::Part(part) => self.insert(part.rows),
            StoreOp::Acked { session, number } => {
                self.rows.remove(&(session, number));
            }
            StoreOp::Sent {
                session,
                number,
                packet_id,
            } => {
                if let Some(row) = self.rows.get_mut(&(session, number)) {
                    row.receipt.packet_id = Some(packet_id);
                }
            }
            StoreOp::Released {
                session, number, ..
            } => {
                if let Some(row) = self.rows.get_mut(&(session, number)) {
                    row.message = None;
                }
            }
            StoreOp::End { session } => self.rows.retain(|(of, _), _| *of != session),
            StoreOp::Read(read) => return Some(self.read(&read)),
            _ => {}
        }
        None
    }

    fn insert(&mut self, rows: Rows) {
        for row in rows {
            for receipt in row.receivers {
                let delivery = SavedDelivery {
                    number: row.number,
                    message: Some(row.message.clone()),
                    receipt,
                };
                self.put(delivery);
            }
        }
    }

    pub(super) fn put(&mut self, delivery: SavedDelivery) {
        let key = (delivery.receipt.session, delivery.number);
        self.rows.insert(key, delivery);
    }

    /// What a session has to read.
    pub(super) fn backlog(&self, of: SessionNo) -> Backlog {
        let mut backlog = Backlog::default();
        for row in self.rows.values().filter(|row| is_cold(row, of)) {
            let bytes = row.message.as_ref().unwrap().payload_len();
            backlog.add(bytes, row.receipt.qos);
        }
        backlog
    }

    fn read(&mut self, read: &ReadOp) -> Page {
        let rows = self.rows.values();
        let asked = |number| Some(number) > read.after && Some(number) <= read.upto;
        let behind = rows.filter(|row| is_cold(row, read.session) && asked(row.number));
        let mut deliveries: Vec<SavedDelivery> = behind.cloned().collect();
        let all = deliveries.len();
        deliveries.truncate(read.messages as usize);
        let mut page = Page {
            reader: read.reader.session,
            last: deliveries.len() == all,
            upto: deliveries.last().map(|delivery| delivery.number),
            damaged: Backlog::default(),
            deliveries: Vec::new(),
        };
        for delivery in deliveries {
            if self.damaged.contains(&delivery.number) {
                let bytes = delivery.message.as_ref().unwrap().payload_len();
                page.damaged.add(bytes, delivery.receipt.qos);
            } else {
                page.deliveries.push(delivery);
            }
        }
        page
    }
}

fn is_cold(row: &SavedDelivery, of: SessionNo) -> bool {
    let Receipt {
        session,
        packet_id,
        extra,
        ..
    } = &row.receipt;
    let group = extra.as_ref().and_then(|extra| extra.group.as_ref());
    *session == of && packet_id.is_none() && group.is_none() && row.message.is_some()
}
