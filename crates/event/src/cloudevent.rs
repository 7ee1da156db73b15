//! CloudEvents 1.0: structured, batched and binary forms.
