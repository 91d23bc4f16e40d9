using System;

namespace Grandstand
{
    // What the machine of a client's connections does with tokens.
    internal sealed partial class SessionMachine
    {
        internal void SetToken(Promise promise, string token, double now)
        {
            if (Closed != null && Closed.Code == "closed")
            {
                context.Settle(promise, Closed);
                return;
            }
            tokens.Set(token, promise, active);
            if (Closed is AuthException) Reconnect(now);
            else if (active == null && dialing == null) Dial(now);
        }

        /// <summary>The function of the application returned a token.</summary>
        internal void OnToken(string token, double now)
        {
            if (Closed != null) return;
            GrandstandException refusal = tokens.OnToken(token, now, active);
            if (refusal != null) Finish(refusal);
            else if (active == null || waitsForToken) Dial(now);
        }

        /// <summary>The function of the application failed.</summary>
        internal void OnTokenFailed(Exception cause, double now)
        {
            if (Closed != null) return;
            double? wait = tokens.OnFailed(now, active != null);
            var error = new AuthException("token_failed", "GetToken failed: " + cause.Message, null, null, cause);
            if (wait == null) Finish(error);
            else if (active == null) Show(Away, error, wait);
            else outside.Report(error);
        }
    }
}
