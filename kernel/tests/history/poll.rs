//! S12, as polls are seen to be answered.

use super::*;

#[test]
fn s12_lets_a_hub_that_cannot_read_every_file_pass_over_older_ones_and_show_nothing_else() {
    let mut story = Story::default();
    let mut second = pending();
    (second.id, second.started_at) = (1, Time(2));
    let mut others = second.clone();
    (others.id, others.target) = (2, BOB);
    for record in [pending(), second, others] {
        story.known(&record).unwrap();
    }
    let mut shows = |handoff: u8, now| {
        story.0.observe(&Seen::PolledInPart { target: &ALICE, shown: &handoff, now: Time(now) })
    };
    shows(0, 3).unwrap();
    shows(1, 3).unwrap();
    assert_eq!(rule(shows(2, 3)), Rule::S12, "another's");
    assert_eq!(rule(shows(3, 3)), Rule::S12, "unknown");
    assert_eq!(rule(shows(1, 10)), Rule::S12, "overdue");
}

#[test]
fn s12_says_no_to_any_but_the_oldest_that_is_not_overdue() {
    let mut story = Story::default();
    story.poll(None, 1).unwrap();
    let mut second = pending();
    (second.id, second.started_at, second.expires_at) = (1, Time(2), Time(20));
    story.commit(&begin(0), &second).unwrap();
    story.commit(&begin(1), &pending()).unwrap();
    story.poll(Some(0), 9).unwrap();
    assert_eq!(rule(story.poll(Some(1), 9)), Rule::S12);
    assert_eq!(rule(story.poll(None, 9)), Rule::S12);
    story.poll(Some(1), 10).unwrap();
    story
        .commit(&accept(None, 1), &{
            let mut taken = claimed(None, 9);
            (taken.id, taken.started_at, taken.expires_at) = (1, Time(2), Time(20));
            taken
        })
        .unwrap();
    story.poll(None, 10).unwrap();
    story.0.observe(&Seen::Polled { target: &BOB, shown: None, now: Time(1) }).unwrap();
}
