use super::*;

#[test]
fn a_word_keeps_its_parts() {
    let word = Word { core: 4095, generation: GENERATION_MASK, index: TASKS_MAX as u32 - 1 };
    assert_eq!(Word::unpack(word.pack()), word);
}

#[test]
fn a_wake_queues_once_and_a_stale_one_not_at_all() {
    let alarm = Alarm::new(None);
    let ready = Ready::enrol(&alarm);
    let first = ready.admit(3);
    waker(first).wake_by_ref();
    waker(first).wake();
    assert_eq!(ready.len(), 1);
    assert_eq!(ready.pop(), Some(first));
    ready.dismiss(3);
    waker(first).wake();
    assert!(ready.is_empty());
    assert!(!ready.knows(first));
    ready.retire();
}

#[test]
fn a_foreign_thread_goes_through_the_alarm() {
    let alarm = Alarm::new(None);
    let ready = Ready::enrol(&alarm);
    let word = ready.admit(0);
    let sent = waker(word);
    std::thread::spawn(move || sent.wake()).join().expect("the thread only wakes");
    assert!(ready.is_empty());
    assert!(alarm.is_pending());
    let attended = alarm.attend(|word| ready.push(Word::unpack(word)));
    assert!(!attended.all);
    assert_eq!(ready.pop(), Some(word));
    ready.retire();
}

#[test]
fn an_overflow_of_foreign_wakes_wakes_all() {
    let alarm = Alarm::new(None);
    let ready = Ready::enrol(&alarm);
    let word = ready.admit(0);
    ready.admit(1);
    for _ in 0..5000 {
        alarm.wake(word.pack());
    }
    let attended = alarm.attend(|word| ready.push(Word::unpack(word)));
    assert!(attended.all);
    ready.push_all();
    assert_eq!(ready.len(), 2);
    ready.retire();
}

#[test]
fn a_wake_after_its_shard_has_gone_is_nothing() {
    let alarm = Alarm::new(None);
    let ready = Ready::enrol(&alarm);
    let kept = waker(ready.admit(0));
    ready.retire();
    drop((ready, alarm));
    kept.wake();
}
