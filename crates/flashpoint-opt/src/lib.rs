//! Passes and rewrite rules over the typed form.
