//! The thread that writes the store, as the runtime sees it end.

use super::*;
use crate::store::Sync;

#[test]
fn a_panic_of_the_writer_ends_the_broker_and_nothing_is_acknowledged_after_it() {
    let folder = tempfile::tempdir().unwrap();
    let database = Database::open(&folder.path().join("store"), Sync::Full).unwrap();
    let store = Some((database, Vec::new()));
    let mut broker = start_on(1, ConnectionLimits::default(), store);
    let mut client = broker.client("publisher");
    let retained = |id| packet(0x33, &[text("t"), vec![0, id], vec![b'x']].concat());
    client.send(&retained(1));
    assert_eq!(client.expect(0x40), [0, 1]);
    let store = &broker.runtime.store.as_ref().unwrap().store;
    store.have_it_panic();
    client.send(&retained(2));
    let waits = tokio::runtime::Builder::new_current_thread().build();
    let failure = waits.unwrap().block_on(broker.runtime.failed());
    assert_eq!(failure.thread, "store");
    assert!(failure.reason.contains("as it was told"), "{failure}");
    assert_eq!(broker.told.count("ThreadFailed"), 1);
    assert_eq!(broker.runtime.stop(), Err(failure));
    assert_eq!(client.receive(), None, "an answer after the panic");
    // Nobody closed it: that would have brought in the journal, and removed it.
    assert!(folder.path().join("store-wal").exists());
}
