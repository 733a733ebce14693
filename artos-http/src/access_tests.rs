//! The decision table: every action, set of scopes and ownership.

use super::*;

const ACTIONS: [(Action, Scope); 7] = [
    (Action::Submit, Scope::Submit),
    (Action::Retry, Scope::Submit),
    (Action::Read, Scope::Read),
    (Action::List, Scope::Read),
    (Action::Cancel, Scope::Cancel),
    (Action::Webhooks, Scope::Admin),
    (Action::Keys, Scope::Admin),
];

#[test]
fn every_action_needs_its_scope_or_admin_whosever_thing_it_is() {
    for bits in 0..16_u8 {
        let scopes: Scopes =
            Scope::ALL.into_iter().filter(|scope| bits & scope.bit() != 0).collect();
        let has = |wanted| scopes.iter().any(|scope| scope == wanted);
        for (action, scope) in ACTIONS {
            for ownership in [Ownership::Own, Ownership::Foreign, Ownership::Absent] {
                let expected = match (has(scope) || has(Scope::Admin), ownership) {
                    (false, _) => Verdict::NeedsScope(scope),
                    (true, Ownership::Own) => Verdict::Allowed,
                    (true, Ownership::Foreign | Ownership::Absent) => Verdict::NotFound,
                };
                let found = decide(action, scopes, ownership);
                assert_eq!(found, expected, "{action:?} with {scopes:?} on {ownership:?}");
            }
        }
    }
}

#[test]
fn scopes_are_spelled_in_one_way() {
    for scope in Scope::ALL {
        assert_eq!(scope.as_str().parse(), Ok(scope));
        assert_eq!(scope.to_string(), scope.as_str());
    }
    for bad in ["", "Read", "reads", "read ", "*"] {
        assert!(bad.parse::<Scope>().is_err(), "{bad}");
    }
    assert_eq!(Scopes::from(Scope::ALL), Scopes::ALL);
    assert_eq!(format!("{:?}", Scopes::from([Scope::Read])), "{\"read\"}");
}
