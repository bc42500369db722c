use super::*;

const A: TargetId = TargetId(3);
const B: TargetId = TargetId(16_383);

fn at(ms: u64) -> Moment {
    Moment::START.plus_ms(ms)
}

#[test]
fn failures_begin_with_the_first_and_end_with_a_success() {
    let standing = Standing::default();
    assert_eq!(standing.fails(A, at(5)), at(5));
    assert_eq!(standing.fails(A, at(9)), at(5));
    standing.works(A, at(10));
    assert_eq!(standing.fails(A, at(20)), at(20));
    // Elsewhere it is another matter.
    assert_eq!(standing.fails(B, at(30)), at(30));
    assert_eq!(standing.fails(B, at(31)), at(30));
}

#[test]
fn what_worked_before_or_elsewhere_proves_nothing() {
    let standing = Standing::default();
    assert!(!standing.has_worked(A, at(0)));
    standing.works(A, at(10));
    assert!(standing.has_worked(A, at(9)));
    assert!(!standing.has_worked(A, at(10)));
    assert!(!standing.has_worked(B, at(9)));
    standing.works(B, at(11));
    assert!(!standing.has_worked(A, at(9)) && standing.has_worked(B, at(9)));
    standing.reset();
    assert!(!standing.has_worked(B, at(0)));
}

#[test]
fn forgetting_forgets_all_of_it() {
    let policy = policy::Breaker { consecutive: 1, ..policy::Breaker::default() };
    let standing = Standing::default();
    assert!(crate::breaker::failure(&standing.breaker, &policy, crate::breaker::Admission::Pass, at(1), 0));
    assert_eq!(standing.fails(A, at(2)), at(2));
    standing.reset();
    assert_eq!(standing.breaker.state().0, crate::breaker::State::Closed);
    assert_eq!(standing.fails(A, at(9)), at(9), "another row begins");
}

#[test]
fn an_account_is_spoken_of_by_what_a_provider_does_with_a_request() {
    let of_account = |class: &&Class| speaks_of_account(**class);
    assert_eq!(Class::ALL.iter().filter(of_account).collect::<Vec<_>>(), [&Class::Timeout, &Class::Overloaded, &Class::ServerError]);
}
