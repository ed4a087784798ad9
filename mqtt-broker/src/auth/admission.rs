//! Who may connect: name and password of CONNECT against a password file and the anonymous rule.

use std::sync::Arc;

use mqtt_passwd::PasswordHash;

use super::PasswordFile;

/// What becomes of a CONNECT without an authentication method.
#[derive(Debug, Clone)]
pub enum Admission {
    /// Let in; a user name that came along is kept, though nobody checked it.
    Allow,
    /// Refused: CONNACK code 5 in MQTT 3.1 and 3.1.1 (3.1.1, 3.2.2.3), 0x87 in 5.0.
    Deny,
    /// Let in if the password matches this hash, refused as above if not. Matching takes
    /// milliseconds or more, so not on a shard's thread. An unknown user gets a hash that nothing
    /// matches.
    Verify {
        /// Compare by [`PasswordHash::verify`].
        hash: Arc<PasswordHash>,
    },
}

/// Whether a listener lets clients in that nobody could check.
///
/// `listener_allow_anonymous` decides where it is set. Where it is not, the global
/// `allow_anonymous` does, but not under `per_listener_settings`: there the answer is no.
pub fn anonymous_allowed(
    per_listener_settings: bool,
    allow_anonymous: bool,
    listener_allow_anonymous: Option<bool>,
) -> bool {
    listener_allow_anonymous.unwrap_or(allow_anonymous && !per_listener_settings)
}

/// Checks names and passwords for a listener, or for all.
#[derive(Debug, Clone, Default)]
pub struct Authenticator {
    /// The users who may come in, if only they may.
    pub password_file: Option<Arc<PasswordFile>>,
}

impl Authenticator {
    /// Decides by the name, and by whether there is a password; the password itself is for
    /// [`Admission::Verify`].
    ///
    /// `listener_allows_anonymous` is [`anonymous_allowed`] of the listener.
    pub fn decide(
        &self,
        listener_allows_anonymous: bool,
        user_name: Option<&str>,
        has_password: bool,
    ) -> Admission {
        let (Some(file), Some(user_name)) = (&self.password_file, user_name) else {
            // Nobody checks, or there is no name to check.
            return if listener_allows_anonymous {
                Admission::Allow
            } else {
                Admission::Deny
            };
        };
        // The same answer, and as fast, whether the user exists or not.
        if !has_password {
            return Admission::Deny;
        }
        let hash = file.lookup(user_name).unwrap_or_else(|| file.decoy());
        Admission::Verify {
            hash: Arc::clone(hash),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the whole way leads to.
    fn is_let_in(
        authenticator: &Authenticator,
        anonymous: bool,
        user: Option<&str>,
        password: Option<&str>,
    ) -> bool {
        match authenticator.decide(anonymous, user, password.is_some()) {
            Admission::Allow => true,
            Admission::Deny => false,
            Admission::Verify { hash } => hash.verify(password.unwrap().as_bytes()),
        }
    }

    fn with_file() -> Authenticator {
        let salt = [1; 12];
        let hash = PasswordHash::create(mqtt_passwd::Scheme::Sha512, b"secret", &salt).unwrap();
        let file = PasswordFile::parse("f", format!("ann:{hash}\n")).unwrap();
        Authenticator {
            password_file: Some(Arc::new(file)),
        }
    }

    #[test]
    fn without_a_password_file_the_anonymous_rule_decides_names_or_not() {
        let nobody_checks = Authenticator::default();
        for (user, password) in [(None, None), (Some("ann"), None), (Some("ann"), Some("x"))] {
            assert!(is_let_in(&nobody_checks, true, user, password));
            assert!(!is_let_in(&nobody_checks, false, user, password));
        }
    }

    #[test]
    fn a_password_file_lets_its_users_in_and_wrong_ones_never() {
        let checks = with_file();
        for anonymous in [true, false] {
            for (user, password, expected) in [
                (None, None, anonymous),
                (None, Some("secret"), anonymous),
                (Some("ann"), Some("secret"), true),
                (Some("ann"), Some("Secret"), false),
                (Some("ann"), Some(""), false),
                (Some("ann"), None, false),
                (Some("bob"), Some("secret"), false),
                (Some("bob"), None, false),
                (Some(""), Some("secret"), false),
            ] {
                let found = is_let_in(&checks, anonymous, user, password);
                assert_eq!(found, expected, "{user:?} {password:?} {anonymous}");
            }
        }
    }

    #[test]
    fn an_unknown_user_costs_as_much_as_a_known_one() {
        let checks = with_file();
        let schemes = ["ann", "bob"].map(|user| match checks.decide(true, Some(user), true) {
            Admission::Verify { hash } => hash.scheme(),
            other => panic!("{user}: {other:?}"),
        });
        assert_eq!(schemes[0], schemes[1]);
    }

    #[test]
    fn anonymous_is_decided_by_the_listener_before_all_others() {
        for (per_listener, global, listener, expected) in [
            (false, false, None, false),
            (false, true, None, true),
            (false, true, Some(false), false),
            (false, false, Some(true), true),
            (true, true, None, false),
            (true, false, Some(true), true),
            (true, true, Some(false), false),
        ] {
            assert_eq!(anonymous_allowed(per_listener, global, listener), expected);
        }
    }
}
