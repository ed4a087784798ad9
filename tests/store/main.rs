//! What the broker keeps, looked at, saved and damaged with the real programs.

mod commands;
mod damage;
mod kept;
mod places;
