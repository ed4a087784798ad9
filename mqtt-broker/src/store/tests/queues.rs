//! Queues that are read in pages, and those that end bit by bit.

use super::*;

#[test]
fn a_session_with_many_messages_ends_bit_by_bit_and_goes_on_ending_after_a_start() {
    let file = File::new();
    let away = |of| receipt(of, QoS::AtLeastOnce, true);
    file.write([1, 2].map(|n| Effect::Op(connect(n))));
    file.write((1..=2500).map(|n| publish(n, vec![away(1), away(2)])));
    let end = Effect::Op(StoreOp::End {
        session: session(2),
    });
    file.write([end]);
    let count = |database: &Database, query| -> i64 {
        let value = database.connection.query_row(query, [], |row| row.get(0));
        value.unwrap()
    };
    let rows = "SELECT count(*) FROM q WHERE s = 2";
    let mut database = open(&file.path());
    let recovered = database.load(NOW).unwrap();
    // Its number is not given again as long as something bears it.
    assert_eq!((recovered.sessions.len(), recovered.last_numbers.1), (1, 2));
    let mut left = vec![count(&database, rows)];
    while database.is_tidying() {
        database.tidy().unwrap();
        database.commit().unwrap();
        left.push(count(&database, rows));
    }
    assert_eq!(left, [1500, 500, 0]);
    assert_eq!(count(&database, "SELECT count(*) FROM gone"), 0);
    let needed = "SELECT count(*) FROM msg WHERE c = 1";
    assert_eq!(count(&database, needed), 2500);
    assert_eq!(database.load(NOW).unwrap().last_numbers.1, 1);
}

#[test]
fn a_long_queue_is_counted_at_a_start_and_read_in_pages() {
    let file = File::new();
    let away = |qos| receipt(1, qos, true);
    let mut shared = away(QoS::AtLeastOnce);
    shared.extra = Some(Arc::new(Extra {
        identifiers: Vec::new(),
        group: Some("g/t".into()),
    }));
    let sent = |value, packet_id| {
        Effect::Op(StoreOp::Sent {
            session: session(1),
            number: number(value),
            packet_id: id(packet_id),
        })
    };
    file.write([
        Effect::Op(connect(1)),
        publish(1, vec![away(QoS::ExactlyOnce)]),
        publish(2, vec![away(QoS::AtMostOnce)]),
        publish(3, vec![shared]),
        publish(4, vec![away(QoS::AtLeastOnce)]),
        publish(5, vec![receipt(1, QoS::AtLeastOnce, false)]),
        publish(1000, vec![away(QoS::ExactlyOnce)]),
        publish(1001, vec![away(QoS::ExactlyOnce)]),
        sent(1, 7),
    ]);
    let mut database = open(&file.path());
    let recovered = database.load(NOW).unwrap();
    let saved = &recovered.sessions[0];
    let in_memory: Vec<u64> = saved.deliveries.iter().map(|d| d.number.0.get()).collect();
    assert_eq!(in_memory, [1, 3]);
    let backlog = Backlog {
        messages: 5,
        bytes: 3 + 8,
        qos_0: 1,
    };
    assert_eq!((saved.backlog, recovered.messages), (backlog, 7));
    let numbers = |page: &Page| -> Vec<u64> {
        let numbers = page.deliveries.iter().map(|d| d.number.0.get());
        numbers.collect()
    };
    let first = page(&mut database, session(1), None);
    assert_eq!((numbers(&first), first.last), (vec![2, 4, 5], false));
    assert_eq!(first.upto, Some(number(5)));
    // What takes effect before the read is in the page, and what is damaged is not.
    database
        .apply(&publish(1002, vec![away(QoS::AtLeastOnce)]))
        .unwrap();
    let damage = "UPDATE msg SET b = x'00' WHERE m = 1001";
    database.connection.execute_batch(damage).unwrap();
    let second = page(&mut database, session(1), first.upto);
    assert_eq!((numbers(&second), second.last), (vec![1000, 1002], false));
    assert_eq!((second.damaged.messages, second.damaged.bytes), (1, 4));
    let third = page(&mut database, session(1), second.upto);
    assert_eq!(
        (third.deliveries.len(), third.upto, third.last),
        (0, None, true)
    );
    database.commit().unwrap();
    drop(database);
    assert_eq!(file.load().messages, 7);
}

/// A start would otherwise read every message of every queue.
#[test]
fn a_start_finds_what_has_to_be_in_memory_by_an_index() {
    let file = File::new();
    let database = open(&file.path());
    let plan = |query: &str| -> String {
        let query = format!("EXPLAIN QUERY PLAN {query}");
        let mut steps = database.connection.prepare(&query).unwrap();
        let values = vec![1; steps.parameter_count()];
        let values = rusqlite::params_from_iter(values);
        let steps = steps.query_map(values, |row| row.get::<_, String>(3));
        steps.unwrap().map(|step| step.unwrap() + "\n").collect()
    };
    let memory = plan(crate::store::load::IN_MEMORY);
    assert!(memory.contains("USING INDEX q_memory"), "{memory}");
    assert!(
        !memory.contains("SCAN msg") && !memory.contains("TEMP"),
        "{memory}"
    );
    let read = plan(crate::store::page::READ);
    assert!(
        read.contains("SEARCH q USING PRIMARY KEY (s=? AND m>? AND m<?)"),
        "{read}"
    );
    assert!(!read.contains("TEMP"), "{read}");
}

#[test]
fn a_row_that_says_what_is_never_written_is_left_out_and_the_rest_goes_on() {
    let columns = ["f = 640", "f = 'x'", "x = 'text'", "x = 5", "f = x'00'"];
    let last = columns.len() as u64 + 1;
    let file = File::new();
    let away = || vec![receipt(1, QoS::AtLeastOnce, true)];
    file.write([Effect::Op(connect(1))]);
    file.write((1..=last).map(|n| publish(n, away())));
    let mut database = open(&file.path());
    database.load(NOW).unwrap();
    for (number, column) in (1..).zip(columns) {
        let damage = format!("UPDATE q SET {column} WHERE m = {number}");
        database.connection.execute_batch(&damage).unwrap();
    }
    let (mut after, mut damaged, mut read) = (None, 0, Vec::new());
    loop {
        let page = page(&mut database, session(1), after);
        after = page.upto;
        damaged += page.damaged.messages;
        read.extend(page.deliveries.iter().map(|d| d.number.0.get()));
        if page.last {
            break;
        }
    }
    assert_eq!((damaged, read), (columns.len() as u64, vec![last]));
    // What the client takes over and what ends is not read as bytes either.
    let damage = "UPDATE q SET d = 'x', p = 70000";
    database.connection.execute_batch(damage).unwrap();
    database.undo().unwrap();
    let end = StoreOp::End {
        session: session(1),
    };
    database.transact(&[Effect::Op(end)]).unwrap();
    assert_eq!(file.load().messages, 0);
}

/// It does not count as one of the page, which would seem to be the last.
#[test]
fn a_row_whose_number_is_none_hides_nothing_behind_it() {
    let file = File::new();
    let away = || vec![receipt(1, QoS::AtLeastOnce, true)];
    file.write([Effect::Op(connect(1))]);
    file.write((1..=6).map(|n| publish(n, away())));
    let mut database = open(&file.path());
    let damage = "UPDATE q SET m = 2.5 WHERE m = 2";
    database.connection.execute_batch(damage).unwrap();
    let (mut after, mut read) = (None, Vec::new());
    loop {
        let page = page_of(&mut database, session(1), after, (2, u64::MAX));
        after = page.upto;
        read.extend(page.deliveries.iter().map(|d| d.number.0.get()));
        if page.last {
            break;
        }
    }
    assert_eq!(read, [1, 3, 4, 5, 6]);
}

#[test]
fn a_page_ends_with_the_bytes_of_whole_messages() {
    let file = File::new();
    let topic = "t".repeat(1000);
    let row = |value: u64| {
        let publish = PublishOp {
            number: number(value),
            rows: smallvec![Row {
                number: number(value),
                message: message(MessageHead::default(), &topic, b""),
                receivers: smallvec![receipt(1, QoS::AtLeastOnce, true)],
            }],
            retain: None,
            awaits: 0,
            origin: Origin::Fresh,
        };
        Effect::Publish(Box::new(publish), Vec::new())
    };
    file.write([Effect::Op(connect(1))]);
    file.write((1..=50).map(row));
    let mut database = open(&file.path());
    let page = page_of(&mut database, session(1), None, (100, 10_000));
    assert_eq!((page.deliveries.len(), page.last), (10, false));
}

#[test]
fn a_session_that_was_to_end_with_its_connection_is_not_there_after_a_start() {
    let file = File::new();
    let mut op = connect(1);
    if let StoreOp::Session(op) = &mut op {
        op.expiry = SessionExpiry::AtClose;
    }
    let waits = publish(1, vec![receipt(1, QoS::AtLeastOnce, true)]);
    file.write([Effect::Op(op), waits]);
    let recovered = file.load();
    assert_eq!((recovered.sessions.len(), recovered.messages), (0, 0));
}
