//! What `cargo bench` in this folder needs: the packets, the floor, and one face for every codec.
//!
//! The floor is a decoder and encoder of MQTT 5 written by hand for the five shapes alone, with
//! every check that the standard asks for. It borrows, and it shows what the checks must cost.

pub mod floor;
pub mod peers;
pub mod shapes;
