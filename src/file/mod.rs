//! Words: find the project file, parse it, merge defaults, interpolate, check; every value keeps its
//! place. [`load`] is the door: text in, a checked [`crate::model::Project`] or all errors out.
