using System;

namespace Grandstand
{
    /// <summary>What went wrong. <see cref="Code"/> names it for programs; the message says it, with what to do.</summary>
    public class GrandstandException : Exception
    {
        internal GrandstandException(string code, string message, string room = null, long? seq = null,
            long? retryAfterMs = null, Exception cause = null) : base(WithHint(code, message, room), cause)
        {
            Code = code;
            Room = room;
            Seq = seq;
            RetryAfterMs = retryAfterMs;
        }

        /// <summary>What is wrong: <c>room_full</c>, <c>unreachable</c>, or a code of the game.</summary>
        public string Code { get; }

        /// <summary>The room that the error is about, or null.</summary>
        public string Room { get; }

        /// <summary>The number of the input that the error is about.</summary>
        public long? Seq { get; }

        /// <summary>The time after which another try helps, as the server says.</summary>
        public long? RetryAfterMs { get; }

        private static string WithHint(string code, string message, string room)
        {
            string hint = room == null ? Hint(code) : "";
            return hint == "" ? message : message + ": " + hint;
        }

        private static string Hint(string code)
        {
            switch (code)
            {
                case "bad_url": return "use an address such as wss://play.example.org";
                case "forbidden": return "use a token that grants this";
                case "replaced": return "call Reconnect() to play here";
                case "timeout": return "check the server and the network";
                case "token_failed": return "it must return a token";
                case "unauthenticated": return "use a valid token, or GetToken";
                case "unreachable": return "check the server, its address and the network";
                case "unsupported_protocol": return "update the client or the server";
                default: return "";
            }
        }
    }

    /// <summary>There is no connection.</summary>
    public sealed class ConnectException : GrandstandException
    {
        internal ConnectException(string code, string message, long? retryAfterMs = null)
            : base(code, message, null, null, retryAfterMs) { }
    }

    /// <summary>The token is invalid, or does not allow this.</summary>
    public sealed class AuthException : GrandstandException
    {
        internal AuthException(string code, string message, string room = null, long? retryAfterMs = null, Exception cause = null)
            : base(code, message, room, null, retryAfterMs, cause) { }
    }

    /// <summary>The client is not in the room.</summary>
    public sealed class JoinException : GrandstandException
    {
        internal JoinException(string code, string message, string room, long? retryAfterMs = null, Exception cause = null)
            : base(code, message, room, null, retryAfterMs, cause) { }
    }

    /// <summary>An input had no effect, or its outcome is unknown.</summary>
    public sealed class InputException : GrandstandException
    {
        internal InputException(string code, string message, string room, long? seq = null, bool isRejected = false,
            Exception cause = null) : base(code, message, room, seq, null, cause)
        {
            IsRejected = isRejected;
        }

        /// <summary>Whether the game refused the input; else it did not reach the game, or its outcome is unknown.</summary>
        public bool IsRejected { get; }

        /// <summary>The same reason for an input.</summary>
        internal static InputException Of(GrandstandException error)
        {
            return error as InputException ?? new InputException(error.Code, "the outcome is unknown", error.Room, null, false, error);
        }
    }
}
