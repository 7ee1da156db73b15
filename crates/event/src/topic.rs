//! Topics of events: `ktwin/<category>/<interface>/<instance>`, in both spellings.
