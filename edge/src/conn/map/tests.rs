use super::*;

fn key(index: u32, generation: u32) -> ConnKey {
    ConnKey { index, generation }
}

#[test]
fn a_stale_key_does_not_find_the_value_of_a_later_connection() {
    let mut map = ConnMap::default();
    map.insert(key(2, 0), "first");
    assert_eq!(map.remove(key(2, 0)), Some("first"));
    map.insert(key(2, 1), "second");
    assert_eq!(map.get(key(2, 0)), None);
    assert_eq!(map.get_mut(key(2, 0)), None);
    assert_eq!(map.remove(key(2, 0)), None);
    assert_eq!(map.get(key(2, 1)), Some(&"second"));
    assert_eq!(map.len(), 1);
}

#[test]
fn keys_and_len_cover_the_connections_that_have_a_value() {
    let mut map = ConnMap::default();
    for index in [3, 0, 5] {
        map.insert(key(index, index), index);
    }
    map.insert(key(3, 4), 9);
    assert_eq!(map.len(), 3);
    map.remove(key(5, 5));
    map.remove(key(7, 0));
    let keys: Vec<_> = (0..map.slots())
        .filter_map(|slot| map.key_at(slot))
        .collect();
    assert_eq!(keys, [key(0, 0), key(3, 4)]);
    assert_eq!(map.len(), 2);
    map.remove(key(0, 0));
    map.remove(key(3, 4));
    assert!(map.is_empty());
}
