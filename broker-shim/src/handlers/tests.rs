//! The APIs through a real socket, by a client that writes its bytes itself.

mod admin;
mod alter;
mod bad_input;
mod damage;
mod fetch;
mod groups;
mod offline;
mod old_formats;
mod operate;
mod produce;
mod retention;
mod rig;
mod shortened;
mod versions;
