//! Statements of this version, a file a section.
