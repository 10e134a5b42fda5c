//! S10, as the log is seen.

use super::*;

#[test]
fn s10_says_no_to_an_event_too_early_too_often_out_of_order_or_missing() {
    let (one, two) = (event(&pending()), event(&claimed(None, 2)));
    let mut story = Story::default();
    assert_eq!(rule(story.0.observe(&Seen::Logged(&one))), Rule::S10, "before its transition");
    story.commit(&begin(0), &pending()).unwrap();
    assert_eq!(story.0.settle().unwrap_err().rule, Rule::S10, "missing");
    story.commit(&accept(None, 1), &claimed(None, 2)).unwrap();
    assert_eq!(rule(story.0.clone().observe(&Seen::Logged(&two))), Rule::S10, "out of order");
    story.0.observe(&Seen::Logged(&one)).unwrap();
    story.0.observe(&Seen::Logged(&two)).unwrap();
    story.0.settle().unwrap();
    assert_eq!(rule(story.0.observe(&Seen::Logged(&two))), Rule::S10, "twice");
}

#[test]
fn s10_asks_nothing_of_a_log_that_was_deleted_but_what_came_after() {
    let (one, two) = (event(&pending()), event(&claimed(None, 2)));
    let mut story = Story::default();
    story.commit(&begin(0), &pending()).unwrap();
    story.0.observe(&Seen::LogDeleted).unwrap();
    story.0.settle().unwrap();
    assert_eq!(rule(story.0.clone().observe(&Seen::Logged(&one))), Rule::S10, "of before");
    story.commit(&accept(None, 1), &claimed(None, 2)).unwrap();
    assert_eq!(story.0.settle().unwrap_err().rule, Rule::S10, "missing");
    story.0.observe(&Seen::Logged(&two)).and_then(|()| story.0.settle()).unwrap();
}
