//! PINGREQ and PINGRESP: nothing but a header (MQTT 5, 3.12 and 3.13).

use crate::{Output, PacketType};

/// Bytes of either packet.
pub(super) const LEN: usize = 2;

pub(super) fn encode(packet_type: PacketType, out: &mut impl Output) {
    out.put(&[packet_type.first_byte(), 0]);
}
