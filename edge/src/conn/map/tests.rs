use super::*;

fn key(index: u32, generation: u32) -> ConnKey {
    ConnKey { index, generation }
}

#[test]
fn a_late_key_finds_nothing_of_the_connection_that_came_after() {
    let mut dense = ConnMap::default();
    dense.insert(key(2, 0), "first");
    assert_eq!(dense.remove(key(2, 0)), Some("first"));
    dense.insert(key(2, 1), "second");
    assert_eq!(dense.get(key(2, 0)), None);
    assert_eq!(dense.get_mut(key(2, 0)), None);
    assert_eq!(dense.remove(key(2, 0)), None);
    assert_eq!(dense.get(key(2, 1)), Some(&"second"));
    assert_eq!(dense.len(), 1);
}

#[test]
fn keys_and_len_say_who_is_there() {
    let mut dense = ConnMap::default();
    for index in [3, 0, 5] {
        dense.insert(key(index, index), index);
    }
    dense.insert(key(3, 4), 9);
    assert_eq!(dense.len(), 3);
    dense.remove(key(5, 5));
    dense.remove(key(7, 0));
    let keys: Vec<_> = dense.keys().collect();
    assert_eq!(keys, [key(0, 0), key(3, 4)]);
    assert_eq!(dense.len(), 2);
    dense.remove(key(0, 0));
    dense.remove(key(3, 4));
    assert!(dense.is_empty());
}
