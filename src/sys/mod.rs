//! The system under us: processes, sockets, time. No locker words here.
