use super::*;
use crate::websocket::frame;

fn frames(sizes: &[usize]) -> Bytes {
    let mut buf = bytes::BytesMut::new();
    for &size in sizes {
        frame::put_frame(&mut buf, frame::Opcode::Text, &vec![b'x'; size]);
    }
    buf.freeze()
}

fn drain(outbox: &mut Outbox, at_once: usize) -> Vec<u8> {
    let mut all = Vec::new();
    while !outbox.is_empty() {
        let mut slices = [IoSlice::new(&[]); 3];
        let filled = outbox.slices(&mut slices);
        let bytes: Vec<u8> = slices[..filled]
            .iter()
            .flat_map(|s| s.iter().copied())
            .take(at_once)
            .collect();
        assert!(!bytes.is_empty());
        all.extend_from_slice(&bytes);
        let count = bytes.len();
        outbox.advance(count);
    }
    assert_eq!(outbox.weight(), 0);
    all
}

#[test]
fn bytes_are_written_in_order_whatever_the_size_of_the_writes() {
    for at_once in 1..40 {
        let mut outbox = Outbox::new(10_000);
        let mut expected = Vec::new();
        for size in [3, 0, 200, 1, 126] {
            let item = frames(&[size, 2]);
            expected.extend_from_slice(&item);
            assert_eq!(outbox.push(item, FrameClass::Data), SendStatus::Queued);
        }
        assert_eq!(drain(&mut outbox, at_once), expected);
    }
}

#[test]
fn the_rest_of_an_item_continues_behind_its_written_bytes() {
    let item = frames(&[10]);
    let mut outbox = Outbox::new(1);
    outbox.push_rest(item.clone(), 5, FrameClass::Data);
    assert_eq!(drain(&mut outbox, 100), item[5..]);
}

#[test]
fn data_frames_are_refused_at_the_cap_and_control_frames_at_twice_the_cap() {
    let item = frames(&[98]);
    let weight = 100 + size_of::<Item>();
    let mut outbox = Outbox::new(3 * weight);
    // The first item is being written.
    for _ in 0..4 {
        assert_eq!(
            outbox.push(item.clone(), FrameClass::Data),
            SendStatus::Queued
        );
    }
    assert_eq!(
        outbox.push(item.clone(), FrameClass::Data),
        SendStatus::Full
    );
    assert!(!outbox.is_overfull());
    for _ in 4..7 {
        assert_eq!(
            outbox.push(item.clone(), FrameClass::Control),
            SendStatus::Queued
        );
    }
    assert_eq!(
        outbox.push(item.clone(), FrameClass::Control),
        SendStatus::Full
    );
    assert!(outbox.is_overfull());
    assert_eq!(outbox.weight(), 7 * weight);
    outbox.push_last(item.clone());
    assert_eq!(drain(&mut outbox, 77).len(), 8 * item.len());
}

#[test]
fn an_empty_outbox_accepts_an_item_larger_than_the_cap() {
    let mut outbox = Outbox::new(10);
    assert_eq!(
        outbox.push(frames(&[1000]), FrameClass::Data),
        SendStatus::Queued
    );
    assert_eq!(
        outbox.push(frames(&[1]), FrameClass::Data),
        SendStatus::Full
    );
}

#[test]
fn a_discard_keeps_only_the_rest_of_a_partly_written_frame() {
    // Three frames of 2 + 10, 4 + 200 and 2 + 5 bytes in one item.
    let item = frames(&[10, 200, 5]);
    for written in 0..item.len() {
        let mut outbox = Outbox::new(10_000);
        outbox.push(item.clone(), FrameClass::Data);
        outbox.push(frames(&[7]), FrameClass::Data);
        outbox.advance(written);
        outbox.discard();
        let end = [0, 12, 216, 223]
            .into_iter()
            .find(|&end| end >= written)
            .unwrap();
        assert_eq!(drain(&mut outbox, 1000), item[written..end], "{written}");
    }
}

#[test]
fn a_discard_keeps_control_frames_in_order() {
    let mut outbox = Outbox::new(10_000);
    let (a, b) = (frames(&[1, 1]), frames(&[2]));
    outbox.push(a.clone(), FrameClass::Control);
    outbox.push(frames(&[50]), FrameClass::Data);
    outbox.push(b.clone(), FrameClass::Control);
    outbox.advance(4);
    outbox.discard();
    assert_eq!(drain(&mut outbox, 1000), [&a[4..], &b].concat());

    outbox.push(a.clone(), FrameClass::Control);
    outbox.push(b, FrameClass::Control);
    outbox.advance(4);
    outbox.discard_all();
    assert_eq!(drain(&mut outbox, 1000), a[4..]);
}

#[test]
fn a_discard_between_two_frames_keeps_no_data() {
    let mut outbox = Outbox::new(10_000);
    outbox.push(frames(&[10, 10]), FrameClass::Data);
    outbox.advance(12);
    outbox.discard();
    assert!(outbox.is_empty());
    assert_eq!(
        outbox.push(frames(&[3]), FrameClass::Data),
        SendStatus::Queued
    );
    assert_eq!(drain(&mut outbox, 100), frames(&[3]));
}

#[test]
fn d26_many_small_items_are_merged_and_few_large_ones_are_not() {
    let mut outbox = Outbox::new(100_000);
    let (first, small) = (frames(&[3]), frames(&[20]));
    outbox.push(first.clone(), FrameClass::Control);
    let mut expected = first.to_vec();
    for i in 0..200 {
        if i == 50 {
            outbox.push(small.clone(), FrameClass::Control);
            expected.extend_from_slice(&small);
        }
        assert_eq!(
            outbox.push(small.clone(), FrameClass::Data),
            SendStatus::Queued
        );
        expected.extend_from_slice(&small);
    }
    assert!(outbox.items.len() < MAX_ITEMS);
    assert_eq!(drain(&mut outbox, 100), expected);
    let large = frames(&[200]);
    for _ in 0..MAX_ITEMS {
        assert_eq!(
            outbox.push(large.clone(), FrameClass::Data),
            SendStatus::Queued
        );
    }
    assert_eq!(outbox.push(large, FrameClass::Data), SendStatus::Full);
}
