//! Our programs beside the original's and beside paho-mqtt, in both directions.

mod debian;
mod paho;
