pub mod command_line;
pub mod firmware;
pub mod migration_stream;
pub mod qmp;
pub mod runtime;
pub mod tsc;
