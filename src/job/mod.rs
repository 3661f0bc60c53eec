//! Use cases: one file for each thing one may ask of locker. No clap, no printing.
