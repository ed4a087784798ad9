//! From an address to a connection, or to the error that says why not.

use std::io;

use mqtt_client::{Address, Connection, Error, Event, Options, Version};
use tokio::net::{TcpListener, UnixListener};

use crate::mosquitto::free_port;
use crate::part::accept;
use crate::{next, soon};

async fn dial(options: Options) -> Result<(), Error> {
    soon(Connection::new(options).dial()).await
}

#[tokio::test]
async fn the_error_of_the_system_is_told_as_it_is() {
    let refused = dial(Options::new(Address::tcp("127.0.0.1", free_port()))).await;
    let Err(Error::Dial(error)) = refused else {
        panic!("{refused:?}")
    };
    assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused);
    assert!(error.raw_os_error().is_some());

    let missing = dial(Options::new(Address::unix("/nonexistent/mqtt.sock"))).await;
    assert!(matches!(missing, Err(Error::Dial(error)) if error.kind() == io::ErrorKind::NotFound));
}

#[tokio::test]
async fn a_name_without_an_address_is_told_apart() {
    for options in [
        Options::new(Address::tcp("no-such-host.invalid", 1883)),
        Options::new(Address::tcp("127.0.0.1", 1883)).bind_address("no-such-host.invalid"),
    ] {
        let error = dial(options).await.unwrap_err();
        assert!(
            matches!(&error, Error::Lookup { host, .. } if host.ends_with(".invalid")),
            "{error}"
        );
    }
}

#[tokio::test]
async fn transports_that_are_not_spoken_are_refused_clearly() {
    for text in ["mqtts://h", "ws://h", "wss://h"] {
        let error = dial(Options::new(text.parse().unwrap())).await.unwrap_err();
        let scheme = text.split(':').next().unwrap();
        assert_eq!(
            error.to_string(),
            format!("{scheme}:// is not supported yet")
        );
        assert!(error.is_permanent());
    }
}

#[tokio::test]
async fn a_connection_can_leave_from_an_address_of_choice() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let options = Options::new(Address::tcp("localhost", port)).bind_address("127.0.0.2");
    let mut connection = Connection::new(options);
    let (dialled, part) = tokio::join!(connection.dial(), accept(&listener, Version::V5));
    dialled.unwrap();
    assert_eq!(
        part.stream.peer_addr().unwrap().ip().to_string(),
        "127.0.0.2"
    );
}

#[tokio::test]
async fn unix_sockets_carry_mqtt() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("mqtt.sock");
    let listener = UnixListener::bind(&path).unwrap();
    let mut connection = Connection::new(Options::new(Address::unix(path)).version(Version::V311));
    connection.dial().await.unwrap();
    let (event, _stream) = tokio::join!(next(&mut connection), async {
        let (mut stream, _) = listener.accept().await.unwrap();
        tokio::io::AsyncWriteExt::write_all(&mut stream, b"\x20\x02\x00\x00")
            .await
            .unwrap();
        stream
    });
    assert!(matches!(event, Event::Connected(_)));
}

#[tokio::test]
async fn options_that_make_no_connect_are_refused() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let options = Options::new(Address::tcp("127.0.0.1", port))
        .version(Version::V311)
        .password("p");
    assert!(matches!(dial(options).await, Err(Error::InvalidOptions(_))));
}
