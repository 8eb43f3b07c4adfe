//! Python syntax trees to the generic form, and the generic form to the typed form.
