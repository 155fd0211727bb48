//! Parses messages from clients. The bytes may be anything: whatever is not a valid message is an error, and nothing else.

use bytes::{Buf, Bytes};

use super::failure::Failure;

/// What a connection begins with.
#[derive(Debug, Eq, PartialEq)]
pub(super) enum Start {
    /// May it be TLS?
    Tls,
    /// May it be Kerberos' encryption?
    Gss,
    /// A statement of another session shall stop: its number and key.
    Cancel(i32, Bytes),
    /// Somebody wants to come in: the minor version of the protocol, and parameters.
    Startup(u16, Vec<(String, String)>),
}

const TLS: u32 = 80_877_103;
const GSS: u32 = 80_877_104;
const CANCEL: u32 = 80_877_102;

/// What comes after.
#[derive(Debug, Eq, PartialEq)]
pub(super) enum Message {
    Query(String),
    Parse {
        name: String,
        text: String,
        types: Vec<u32>,
    },
    Bind(Bind),
    /// The columns of a portal or (`true`) a prepared statement.
    Describe {
        is_statement: bool,
        name: String,
    },
    Execute {
        portal: String,
        most: i32,
    },
    Close {
        is_statement: bool,
        name: String,
    },
    Flush,
    Sync,
    Terminate,
    Password(Bytes),
    /// Data of a COPY that was never begun: none goes in here.
    Copy,
    FunctionCall,
}

/// A prepared statement with values.
#[derive(Debug, Eq, PartialEq)]
pub(super) struct Bind {
    pub(super) portal: String,
    pub(super) statement: String,
    /// Formats of the values: none, one for all, or one each.
    pub(super) formats: Vec<i16>,
    pub(super) values: Vec<Option<Bytes>>,
    /// Formats of the columns, likewise.
    pub(super) columns: Vec<i16>,
}

/// The first message, without its length.
pub(super) fn start(mut body: Bytes) -> Result<Start, Failure> {
    match number::<u32>(&mut body)? {
        TLS => Ok(Start::Tls),
        GSS => Ok(Start::Gss),
        CANCEL => Ok(Start::Cancel(number::<u32>(&mut body)?.cast_signed(), body)),
        version if version >> 16 == 3 => {
            let mut parameters = Vec::new();
            loop {
                let name = text(&mut body)?;
                if name.is_empty() {
                    return Ok(Start::Startup((version & 0xFFFF) as u16, parameters));
                }
                parameters.push((name, text(&mut body)?));
            }
        }
        version => {
            let (major, minor) = (version >> 16, version & 0xFFFF);
            let message = format!("unsupported frontend protocol {major}.{minor}: server supports 3.0");
            Err(Failure::fatal("0A000", message))
        }
    }
}

/// Any later message: its letter, and what is in it.
pub(super) fn message(letter: u8, mut body: Bytes) -> Result<Message, Failure> {
    let read = &mut body;
    let message = match letter {
        b'Q' => Message::Query(text(read)?),
        b'P' => {
            let (name, text) = (text(read)?, text(read)?);
            let types = (0..number::<u16>(read)?).map(|_| number::<u32>(read)).collect::<Result<_, _>>()?;
            Message::Parse { name, text, types }
        }
        b'B' => {
            let (portal, statement) = (text(read)?, text(read)?);
            let formats = formats(read)?;
            let values = (0..number::<u16>(read)?).map(|_| value(read)).collect::<Result<_, _>>()?;
            Message::Bind(Bind { portal, statement, formats, values, columns: self::formats(read)? })
        }
        b'D' => Message::Describe { is_statement: is_statement(read)?, name: text(read)? },
        b'C' => Message::Close { is_statement: is_statement(read)?, name: text(read)? },
        b'E' => Message::Execute { portal: text(read)?, most: number::<u32>(read)?.cast_signed() },
        b'H' => Message::Flush,
        b'S' => Message::Sync,
        b'X' => Message::Terminate,
        b'p' => return Ok(Message::Password(body)),
        b'd' | b'c' | b'f' => return Ok(Message::Copy),
        b'F' => return Ok(Message::FunctionCall),
        letter => return Err(Failure::protocol(format!("invalid frontend message type {letter}"))),
    };
    if body.has_remaining() { Err(broken()) } else { Ok(message) }
}

/// A client's first answer of SASL: the mechanism it chose, and what it says.
pub(super) fn sasl(mut body: Bytes) -> Result<(String, Bytes), Failure> {
    let mechanism = text(&mut body)?;
    value(&mut body)?.map(|said| (mechanism, said)).ok_or_else(broken)
}

fn broken() -> Failure {
    Failure::protocol("invalid message format")
}

/// A whole number of the wire.
trait Number: Sized {
    fn read(from: &mut Bytes) -> Option<Self>;
}

impl Number for u16 {
    fn read(from: &mut Bytes) -> Option<Self> {
        from.try_get_u16().ok()
    }
}

impl Number for u32 {
    fn read(from: &mut Bytes) -> Option<Self> {
        from.try_get_u32().ok()
    }
}

fn number<N: Number>(from: &mut Bytes) -> Result<N, Failure> {
    N::read(from).ok_or_else(broken)
}

/// A text that ends with a null.
fn text(from: &mut Bytes) -> Result<String, Failure> {
    let end = memchr::memchr(0, from).ok_or_else(broken)?;
    let text = from.split_to(end);
    from.advance(1);
    let wrong = |_| Failure::new("22021", "invalid byte sequence for encoding \"UTF8\"");
    String::from_utf8(text.into()).map_err(wrong)
}

fn formats(from: &mut Bytes) -> Result<Vec<i16>, Failure> {
    (0..number::<u16>(from)?)
        .map(|_| match number::<u16>(from)? {
            0 => Ok(0),
            1 => Ok(1),
            format => Err(Failure::protocol(format!("unsupported format code: {format}"))),
        })
        .collect()
}

fn value(from: &mut Bytes) -> Result<Option<Bytes>, Failure> {
    let length = number::<u32>(from)?;
    if length == u32::MAX {
        return Ok(None);
    }
    let length = length as usize;
    if length > from.remaining() { Err(broken()) } else { Ok(Some(from.split_to(length))) }
}

fn is_statement(from: &mut Bytes) -> Result<bool, Failure> {
    match from.try_get_u8() {
        Ok(b'S') => Ok(true),
        Ok(b'P') => Ok(false),
        _ => Err(broken()),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn whatever_is_cut_or_too_long_is_refused() {
        let bind = b"p\0s\0\0\x01\0\x01\0\x02\0\0\0\x01a\xff\xff\xff\xff\0\x01\0\x00";
        let read = message(b'B', Bytes::from_static(bind)).unwrap();
        let values = vec![Some(Bytes::from_static(b"a")), None];
        let (portal, statement) = ("p".to_owned(), "s".to_owned());
        assert_eq!(read, Message::Bind(Bind { portal, statement, formats: vec![1], values, columns: vec![0] }));
        for end in 0..bind.len() {
            assert!(message(b'B', Bytes::copy_from_slice(&bind[..end])).is_err(), "cut at {end}");
        }
        let longer = [bind.as_slice(), b"x"].concat();
        assert!(message(b'B', Bytes::from(longer)).is_err());
        for (letter, body) in [
            (b'P', &b"\0select\0\xff\xff"[..]),
            (b'B', b"\0\0\0\0\0\x01\x7f\xff\xff\xff\0\0"),
            (b'Q', b"select"),
            (b'D', b"Xname\0"),
            (b'E', b"\0\0\0"),
            (b'!', b""),
            (b'B', b"\0\0\0\x01\0\x07\0\0\0\0"),
        ] {
            assert!(message(letter, Bytes::from_static(body)).is_err(), "{}", letter as char);
        }
        assert_eq!(message(b'Q', Bytes::from_static(b"\xff\0")).unwrap_err().code, "22021");
    }

    #[test]
    fn a_start_is_one_of_four() {
        let bytes = |code: u32, rest: &[u8]| Bytes::from([&code.to_be_bytes()[..], rest].concat());
        assert_eq!(start(bytes(TLS, b"")).unwrap(), Start::Tls);
        assert_eq!(start(bytes(CANCEL, b"\0\0\0\x07key!")).unwrap(), Start::Cancel(7, Bytes::from_static(b"key!")));
        let started = start(bytes(3 << 16, b"user\0ana\0\0")).unwrap();
        assert_eq!(started, Start::Startup(0, vec![("user".to_owned(), "ana".to_owned())]));
        assert!(start(bytes(2 << 16, b"")).unwrap_err().is_fatal);
        assert!(start(bytes(3 << 16, b"user\0ana")).is_err());
        assert!(sasl(Bytes::from_static(b"SCRAM-SHA-256\0\0\0\0\x09n,,")).is_err());
        assert!(sasl(Bytes::from_static(b"SCRAM-SHA-256\0\xff\xff\xff\xff")).is_err());
    }
}
