//! What is open, in which order, and what a new connection owes.

use super::*;

const Q1: QoS = QoS::AtLeastOnce;
const Q2: QoS = QoS::ExactlyOnce;

fn window(size: u16) -> NonZeroU16 {
    NonZeroU16::new(size).unwrap()
}

fn id(value: u16) -> PacketId {
    PacketId::new(value).unwrap()
}

/// All that may be sent again at present, as text.
fn resends(outbound: &mut Outbound<u32>) -> Vec<String> {
    let mut found = Vec::new();
    while let Some(resend) = outbound.next_resend() {
        found.push(match resend {
            Resend::Publish {
                packet_id,
                qos,
                message,
            } => {
                format!("publish {packet_id} q{qos} {message}")
            }
            Resend::Pubrel { packet_id } => format!("pubrel {packet_id}"),
        });
    }
    found
}

#[test]
fn what_was_open_before_a_restart_is_sent_again_in_order_and_new_ids_come_after_it() {
    let mut outbound = Outbound::new(window(2));
    for (value, delivery) in [
        (7, Reopened::Qos2(70)),
        (9, Reopened::Pubrel),
        (7, Reopened::Qos2(71)),
        (3, Reopened::Qos1(30)),
    ] {
        outbound.reopen(id(value), delivery);
    }
    assert_eq!(outbound.message(id(7)), Some(&70));
    assert_eq!(
        (outbound.message(id(9)), outbound.message(id(8))),
        (None, None)
    );
    assert!(!outbound.has_room());
    outbound.handle_connected(window(2));
    let expected = ["publish 7 q2 70", "pubrel 9", "publish 3 q1 30"];
    assert_eq!(resends(&mut outbound), expected);
    outbound.handle_puback(id(3)).unwrap();
    assert_eq!(outbound.start(Q1, 1), id(4));
}

#[test]
fn each_state_takes_its_own_answer_only() {
    let mut outbound = Outbound::new(window(10));
    let first = outbound.start(Q1, 1);
    let second = outbound.start(Q2, 2);
    assert_eq!((first, second), (id(1), id(2)));
    assert_eq!(outbound.handle_puback(second), Err(AckError::Mismatch));
    assert_eq!(outbound.handle_pubcomp(second), Err(AckError::Mismatch));
    assert_eq!(
        outbound.handle_pubrec(first, ReasonCode::Success),
        Err(AckError::Mismatch)
    );
    assert_eq!(outbound.handle_puback(id(3)), Err(AckError::Unknown));
    assert_eq!(
        outbound.handle_pubrec(id(3), ReasonCode::Success),
        Err(AckError::Unknown)
    );
    assert_eq!(outbound.handle_pubcomp(id(3)), Err(AckError::Unknown));
    assert_eq!(
        outbound.handle_pubrec(second, ReasonCode::Success),
        Ok(Pubrec::Release(2))
    );
    assert_eq!(
        outbound.handle_pubrec(second, ReasonCode::Success),
        Ok(Pubrec::Repeated)
    );
    assert_eq!(outbound.handle_puback(first), Ok(1));
    assert_eq!(outbound.handle_pubcomp(second), Ok(()));
    assert!(outbound.is_empty());
}

#[test]
fn a_refused_qos_2_message_is_done_with_pubrec() {
    let mut outbound = Outbound::new(window(1));
    let packet_id = outbound.start(Q2, 1);
    let refused = outbound.handle_pubrec(packet_id, ReasonCode::QuotaExceeded);
    assert_eq!(refused, Ok(Pubrec::Refused(1)));
    assert!(outbound.has_room() && outbound.is_empty());
}

#[test]
fn only_answers_that_end_a_delivery_raise_the_quota() {
    let mut outbound = Outbound::new(window(2));
    let first = outbound.start(Q2, 1);
    outbound.start(Q1, 2);
    assert!(!outbound.has_room());
    for stray in 3..10 {
        assert!(outbound.handle_puback(id(stray)).is_err());
    }
    outbound.handle_pubrec(first, ReasonCode::Success).unwrap();
    assert!(!outbound.has_room(), "PUBCOMP is still owed");
    outbound.handle_pubcomp(first).unwrap();
    assert!(outbound.has_room());
    outbound.start(Q1, 3);
    assert!(!outbound.has_room());
}

#[test]
fn a_resumed_session_sends_again_in_order_within_the_new_window() {
    let mut outbound = Outbound::new(window(10));
    for (message, qos) in [(1, Q1), (2, Q2), (3, Q1), (4, Q2), (5, Q1)] {
        outbound.start(qos, message);
    }
    outbound.handle_pubrec(id(2), ReasonCode::Success).unwrap();
    outbound.handle_connected(window(2));
    assert_eq!(
        resends(&mut outbound),
        ["publish 1 q1 1", "pubrel 2", "publish 3 q1 3"]
    );
    assert!(!outbound.has_room());
    // The PUBREL held no slot, so its PUBCOMP frees none.
    outbound.handle_pubcomp(id(2)).unwrap();
    assert!(resends(&mut outbound).is_empty());
    outbound.handle_puback(id(1)).unwrap();
    assert_eq!(resends(&mut outbound), ["publish 4 q2 4"]);
    outbound.handle_puback(id(3)).unwrap();
    assert_eq!(resends(&mut outbound), ["publish 5 q1 5"]);
    assert!(!outbound.has_room());
    outbound.handle_puback(id(5)).unwrap();
    assert!(outbound.has_room());
}

#[test]
fn what_is_answered_before_it_was_sent_again_is_not_sent_again() {
    let mut outbound = Outbound::new(window(10));
    for (message, qos) in [(1, Q1), (2, Q2), (3, Q1)] {
        outbound.start(qos, message);
    }
    outbound.handle_connected(window(1));
    assert_eq!(resends(&mut outbound), ["publish 1 q1 1"]);
    assert_eq!(
        outbound.handle_pubrec(id(2), ReasonCode::Success),
        Ok(Pubrec::Release(2))
    );
    assert_eq!(outbound.handle_puback(id(3)), Ok(3));
    assert_eq!(outbound.handle_puback(id(1)), Ok(1));
    assert!(resends(&mut outbound).is_empty());
    assert!(outbound.has_room());
}

#[test]
fn a_cancelled_resend_frees_its_slot() {
    let mut outbound = Outbound::new(window(1));
    outbound.start(Q1, 1);
    outbound.handle_connected(window(1));
    assert!(outbound.next_resend().is_some());
    assert_eq!(outbound.cancel_resend(id(1)), Some(1));
    assert_eq!(outbound.cancel_resend(id(1)), None);
    assert!(outbound.has_room());
}

#[test]
fn ids_go_round_and_skip_those_in_use() {
    let mut outbound = Outbound::new(window(u16::MAX));
    let stuck = outbound.start(Q1, 0);
    for _ in 1..u16::MAX {
        let packet_id = outbound.start(Q1, 0);
        outbound.handle_puback(packet_id).unwrap();
    }
    assert_eq!(outbound.start(Q1, 0), id(2), "1 is in use");
    assert_eq!(outbound.next_free_id(|taken| taken.get() < 7), id(7));
    assert_eq!(outbound.start(Q1, 0), id(8));
    assert_eq!(outbound.handle_puback(stuck), Ok(0));
    assert_eq!(outbound.handle_puback(id(8)), Ok(0));
}

#[test]
fn all_ids_can_be_in_use() {
    let mut outbound = Outbound::new(window(u16::MAX));
    while outbound.has_room() {
        outbound.start(Q1, 0);
    }
    assert_eq!(outbound.len(), usize::from(u16::MAX));
    outbound.handle_puback(id(30_000)).unwrap();
    assert_eq!(outbound.start(Q1, 0), id(30_000));
    assert_eq!(outbound.handle_puback(id(30_000)), Ok(0));
}

#[test]
fn an_ended_session_hands_over_what_was_never_taken() {
    let mut outbound = Outbound::new(window(5));
    for (message, qos) in [(1, Q2), (2, Q1), (3, Q2)] {
        outbound.start(qos, message);
    }
    outbound.handle_pubrec(id(1), ReasonCode::Success).unwrap();
    let stages: Vec<_> = outbound
        .iter()
        .map(|(_, stage, message)| (stage, message.copied()))
        .collect();
    assert_eq!(
        stages,
        [
            (Stage::AwaitsPubcomp, None),
            (Stage::AwaitsPuback, Some(2)),
            (Stage::AwaitsPubrec, Some(3))
        ]
    );
    assert_eq!(outbound.drain().collect::<Vec<_>>(), [(Q1, 2), (Q2, 3)]);
    assert!(outbound.is_empty() && outbound.has_room());
}
