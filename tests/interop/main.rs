//! Our programs beside the original's and beside paho-mqtt, in both directions.

mod coming_over;
mod debian;
mod paho;
