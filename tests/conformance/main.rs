//! Every normative statement of MQTT 3.1, 3.1.1 and 5.0 that a broker or a client can be seen to obey,
//! each by a test of its own over a real socket. Names are those of the table of statements,
//! `tests/data/conformance.tsv`.

mod client_connect;
mod stage;
mod v311;
mod v5;
