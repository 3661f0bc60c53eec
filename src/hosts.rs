//! Managed blocks in a hosts file, between markers; every other byte of the file is kept.
//!
//! ```text
//! # >>> locker:<tag>
//! 10.77.0.2 db.example.net db
//! # <<< locker:<tag>
//! ```
