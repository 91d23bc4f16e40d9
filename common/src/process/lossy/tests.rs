use std::io::Read;
use std::os::unix::net::UnixStream;

use super::*;

const SOON: Duration = Duration::from_secs(30);

fn start(stream: impl Write + Send + 'static) -> LossyWriter {
    LossyWriter::start("test-log", stream, &Supervisor::default()).unwrap()
}

fn counted(writer: &LossyWriter) -> (u64, u64) {
    let dropped = &writer.0.dropped;
    (dropped.full.get(), dropped.refused.get())
}

#[test]
fn lines_are_written_in_order() {
    let (mut reader, stream) = UnixStream::pair().unwrap();
    let mut writer = start(stream);
    for line in 0..1000 {
        writeln!(writer.clone(), "{line}").unwrap();
    }
    writer.write_all(b"end\n").unwrap();
    writer.finish(SOON);
    let mut expected: String = (0..1000).map(|line| format!("{line}\n")).collect();
    expected.push_str("end\n");
    let mut text = vec![0; expected.len()];
    reader.read_exact(&mut text).unwrap();
    assert_eq!(String::from_utf8(text).unwrap(), expected);
    assert_eq!(counted(&writer), (0, 0));
}

#[test]
fn d28_a_reader_that_stops_reading_stalls_nobody_and_lines_are_dropped_and_counted() {
    let (_reader, stream) = UnixStream::pair().unwrap();
    let mut writer = start(stream);
    let line = [[b'x'; 1023].as_slice(), b"\n"].concat();
    while counted(&writer).0 < 10 {
        writer.write_all(&line).unwrap();
    }
    writer.finish(Duration::ZERO);
    assert!(writer.0.queue.lock().bytes.len() <= MAX_BYTES);
}

#[test]
fn d28_a_reader_that_has_gone_ends_nobody_and_lines_are_counted() {
    let (reader, stream) = UnixStream::pair().unwrap();
    drop(reader);
    let mut writer = start(stream);
    for _ in 0..3 {
        writer.write_all(b"a\nb\n").unwrap();
        writer.finish(SOON);
    }
    assert_eq!(counted(&writer), (0, 6));
    assert_eq!(writer.dropped(), 6);
}

#[test]
fn a_stream_that_would_block_is_tried_again() {
    let (mut reader, stream) = UnixStream::pair().unwrap();
    stream.set_nonblocking(true).unwrap();
    let mut writer = start(stream);
    let line = [[b'x'; 1023].as_slice(), b"\n"].concat();
    for _ in 0..1000 {
        writer.write_all(&line).unwrap();
    }
    let mut read = vec![0; 1000 * line.len()];
    reader.read_exact(&mut read).unwrap();
    assert_eq!(counted(&writer), (0, 0));
}
