//! Rows of the TLS options of a listener.

use super::Needs::{Any, OrDefault};
use super::Scope::Listener;
use super::Setter::{Flag, Path, Special, Text, Word};
use super::Status::{By, Gone, NoEffectYet, Refuses};
use super::{ConfigOption, LONG, ignore, ignore_word, row};

const NO_TLS: &str = "this release has no TLS: passwords and messages would not be \
                      encrypted";
const NO_CHECK: &str = "this release has no TLS: nobody would ask clients for a certificate";
const NO_IDENTITY: &str = "this release has no TLS: clients would not get the user name that \
                           their certificate gives them";
const NOTHING_TO_TUNE: &str = "this release has no TLS";

pub(super) static ROWS: &[ConfigOption] = &[
    row(
        "cafile",
        Listener(Any, Path(ignore)),
        "none",
        "File of the certificates that vouch for clients.",
    )
    .status(Refuses(NO_TLS)),
    row(
        "capath",
        Listener(OrDefault, Path(ignore)),
        "none",
        "Directory of the certificates that vouch for clients.",
    )
    .status(Refuses(NO_TLS)),
    row(
        "certfile",
        Listener(OrDefault, Path(ignore)),
        "none",
        "File of the server certificate and its chain.",
    )
    .status(Refuses(NO_TLS)),
    row(
        "keyfile",
        Listener(OrDefault, Path(ignore)),
        "none",
        "File of the key of the server certificate.",
    )
    .status(Refuses(NO_TLS)),
    row(
        "crlfile",
        Listener(OrDefault, Path(ignore)),
        "none",
        "File of the certificates that were revoked.",
    )
    .status(Refuses(NO_CHECK)),
    row(
        "require_certificate",
        Listener(OrDefault, Flag(ignore)),
        "false",
        "Clients must show a certificate.",
    )
    .status(By(&[("true", Refuses(NO_CHECK))])),
    row(
        "use_identity_as_username",
        Listener(OrDefault, Flag(ignore)),
        "false",
        "The common name of the client's certificate is its user name.",
    )
    .status(By(&[("true", Refuses(NO_IDENTITY))])),
    row(
        "use_subject_as_username",
        Listener(
            OrDefault,
            Flag(|draft, value| draft.use_subject_as_username = value),
        ),
        "false",
        "The subject of the client's certificate is its user name.",
    )
    .status(By(&[("true", Refuses(NO_IDENTITY))])),
    row(
        "psk_hint",
        Listener(OrDefault, Text(LONG, ignore)),
        "none",
        "Turns TLS-PSK on; the hint that clients are sent.",
    )
    .once()
    .at_start()
    .status(Refuses(
        "this release has no TLS-PSK: passwords and messages would not be \
         encrypted",
    )),
    row(
        "ciphers",
        Listener(OrDefault, Text(LONG, ignore)),
        "of the library",
        "Cipher suites of TLS 1.2.",
    )
    .status(NoEffectYet(NOTHING_TO_TUNE)),
    row(
        "ciphers_tls1.3",
        Listener(OrDefault, Text(LONG, ignore)),
        "of the library",
        "Cipher suites of TLS 1.3.",
    )
    .status(NoEffectYet(NOTHING_TO_TUNE)),
    row(
        "tls_version",
        Listener(Any, Word(&["tlsv1.1", "tlsv1.2", "tlsv1.3"], ignore_word)),
        "tlsv1.2",
        "Lowest version of TLS.",
    )
    .once()
    .at_start()
    .status(NoEffectYet(NOTHING_TO_TUNE)),
    row(
        "disable_client_cert_date_checks",
        Listener(Any, Flag(ignore)),
        "false",
        "Certificates of clients may have expired.",
    )
    .status(By(&[("true", NoEffectYet(NOTHING_TO_TUNE))])),
    row(
        "dhparamfile",
        Listener(OrDefault, Path(ignore)),
        "none",
        "Gone; parameters are chosen by the library.",
    )
    .status(Gone("Warning: dhparamfile is no longer required.")),
    row(
        "tls_engine",
        Listener(OrDefault, Text(LONG, ignore)),
        "none",
        "OpenSSL engine that holds the key.",
    )
    .once()
    .at_start()
    .status(NoEffectYet(NOTHING_TO_TUNE)),
    row(
        "tls_engine_kpass_sha1",
        Listener(
            OrDefault,
            Special("40 hexadecimal digits", |_, value, _| {
                let word = value.word()?;
                let is_digest = word.len() == 40 && word.iter().all(u8::is_ascii_hexdigit);
                // What is wrong is not shown: it may be half a password.
                if is_digest {
                    Ok(())
                } else {
                    Err(value.invalid(b"not shown"))
                }
            }),
        ),
        "none",
        "SHA-1 of the password of that key.",
    )
    .at_start()
    .status(NoEffectYet(NOTHING_TO_TUNE)),
    row(
        "tls_keyform",
        Listener(OrDefault, Word(&["pem", "engine"], ignore_word)),
        "pem",
        "Form of the key.",
    )
    .at_start()
    .status(By(&[("engine", NoEffectYet(NOTHING_TO_TUNE))])),
];
