namespace Grandstand
{
    /// <summary>The end of a connection, as the transport tells it.</summary>
    internal sealed class Closed
    {
        internal Closed(int code, string reason, bool wasOpen, string detail = null)
        {
            Code = code;
            Reason = reason ?? "";
            WasOpen = wasOpen;
            Detail = detail;
        }

        internal int Code { get; }
        internal string Reason { get; }
        /// <summary>Whether the connection was open, so that a server answered.</summary>
        internal bool WasOpen { get; }
        /// <summary>What is known about a failure.</summary>
        internal string Detail { get; }
    }

    /// <summary>What the client does after the end of a connection.</summary>
    internal enum AfterClose
    {
        Retry, RetryLater, Token, Final,
    }

    /// <summary>Why connections end, and what follows.</summary>
    internal static class Closing
    {
        /// <summary>Decides what follows. <paramref name="refusal"/>: the error about the connection that came before.</summary>
        internal static AfterClose After(Closed closed, ServerMessage refusal)
        {
            switch (closed.Code)
            {
                case 4001: case 4003: return AfterClose.Token;
                case 1013: case 4029: return AfterClose.RetryLater;
                case 1002: case 1003: case 1007: case 4009: return AfterClose.Final;
                case 4008: return (refusal == null ? closed.Reason : refusal.Code) == "no_room" ? AfterClose.Final : AfterClose.Retry;
                default: return AfterClose.Retry;
            }
        }

        /// <summary>The error that tells why a connection ended.</summary>
        internal static GrandstandException Error(Closed closed, ServerMessage refusal)
        {
            string byCode = closed.Reason == "no_room" ? closed.Reason : CodeOf(closed.Code);
            string code = refusal != null ? refusal.Code : byCode ?? (closed.WasOpen ? "lost" : "unreachable");
            string why = closed.Detail != null ? " (" + closed.Detail + ")" : byCode != null ? " (" + closed.Code + " " + closed.Reason + ")" : "";
            string text = refusal != null && refusal.Text("message") != null ? refusal.Says
                : (closed.WasOpen ? "the connection ended" : "the server cannot be reached") + why;
            long? wait = refusal == null ? null : refusal.RetryAfterMs;
            if (closed.Code == 4001 || closed.Code == 4003) return new AuthException(code, text, null, wait);
            return new ConnectException(code, text, wait);
        }

        private static string CodeOf(int code)
        {
            switch (code)
            {
                case 1002: return "protocol_error";
                case 1003: return "unsupported_data";
                case 1007: return "bad_utf8";
                case 1008: return "policy";
                case 1009: return "too_big";
                case 1011: return "internal";
                case 1012: return "going_away";
                case 1013: return "overloaded";
                case 4001: return "unauthenticated";
                case 4003: return "forbidden";
                case 4008: case 4010: return "timeout";
                case 4009: return "replaced";
                case 4029: return "rate_limited";
                default: return null;
            }
        }
    }
}
