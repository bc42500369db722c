use super::*;

#[test]
fn queues_do_not_mix_and_nodes_are_reused() {
    let mut links = Links::new();
    let (mut odd, mut even) = (Queue::EMPTY, Queue::EMPTY);
    for round in 0..3 {
        for number in 0..10 {
            links.push_back(if number % 2 == 0 { &mut even } else { &mut odd }, number + round);
        }
        links.push_front(&mut odd, 100);
        assert_eq!(links.back_mut(&odd), Some(&mut (9 + round)));
        assert_eq!(links.front(&odd), Some(&100));
        assert_eq!(links.iter(even).count(), 5);
        let mut drained = Vec::new();
        while let Some(number) = links.pop_front(&mut odd) {
            drained.push(number - round);
        }
        assert_eq!(drained, [100 - round, 1, 3, 5, 7, 9]);
        while links.pop_front(&mut even).is_some() {}
        assert!(odd.is_empty() && even.is_empty());
    }
    assert_eq!(links.used(), 0);
    assert_eq!(links.nodes.len(), 11, "three rounds share the nodes of the first");
}
