using System;

namespace Grandstand
{
    /// <summary>What follows when a connection was closed because of its token.</summary>
    internal enum Refused
    {
        Final, First, Again,
    }

    /// <summary>The token of a client: when it is asked for, sent, and refused. Pure.</summary>
    internal sealed class Tokens
    {
        private readonly bool hasSource;
        private readonly Backoff connects;
        private readonly Backoff renewals; // the waits between calls of the function for a connection that is open
        private readonly Context context;
        private bool isWanted;
        private double? wantAt;
        private double notBefore; // the next call for a token that expires
        private string refused;
        private int refusals;
        private Auth auth;
        private double? authAt;

        /// <summary>A token that was sent on an open connection.</summary>
        private sealed class Auth
        {
            internal string Token;
            internal long Id;
            internal Promise Promise;
        }

        internal Tokens(string token, bool hasSource, Backoff connects, Context context)
        {
            Current = token;
            this.hasSource = hasSource;
            this.connects = connects;
            this.context = context;
            renewals = new Backoff(connects.MinMs, connects.MaxMs, 0);
        }

        /// <summary>The token of the next connection.</summary>
        internal string Current { get; private set; }

        internal double Deadline
        {
            get { return Math.Min(wantAt ?? double.PositiveInfinity, authAt ?? double.PositiveInfinity); }
        }

        /// <summary>Whether another token than the refused one is there, or can be got.</summary>
        internal bool HasHope { get { return hasSource || refused == null || (Current ?? "") != refused; } }

        internal void Poll(double now, Peer active)
        {
            if (wantAt != null && now >= wantAt) Want(now);
            if (authAt == null || now < authAt) return;
            authAt = null;
            if (auth != null && active != null) Send(active, auth.Token, auth.Promise);
        }

        /// <summary>Whether a connection may use the current token. If not, asks for one.</summary>
        internal bool IsUsable(double now)
        {
            if (auth != null) Current = auth.Token;
            if (!hasSource || (Current != null && Current != refused)) return true;
            if (wantAt == null) Want(now);
            return false;
        }

        /// <summary>The application has another token.</summary>
        internal void Set(string token, Promise promise, Peer active)
        {
            DropAuth();
            if (active != null)
            {
                Send(active, token, promise);
                return;
            }
            Current = token;
            context.Settle(promise);
        }

        /// <summary>The function returned a token. Returns an error if it is the one that was refused.</summary>
        internal GrandstandException OnToken(string token, double now, Peer active)
        {
            isWanted = false;
            if (token == refused) return new AuthException("unauthenticated", "GetToken returned a refused token");
            if (active == null) Current = token;
            else if (token == Current) WantLater(now, renewals);
            else
            {
                DropAuth();
                Send(active, token, null);
            }
            return null;
        }

        /// <summary>The function failed. Returns the wait before the next call; null if there were enough.</summary>
        internal double? OnFailed(double now, bool isActive)
        {
            isWanted = false;
            return WantLater(now, isActive ? renewals : connects);
        }

        internal void OnExpiring(double now)
        {
            // A server that repeats itself does not make the client ask faster.
            if (hasSource) wantAt = wantAt ?? Math.Max(now, notBefore);
            else context.Outside.TellTokenExpiring();
        }

        internal void OnRenewed(long? id)
        {
            if (auth == null || (id != null && id != auth.Id)) return;
            Current = auth.Token;
            renewals.Reset();
            SettleAuth();
        }

        /// <summary>Handles an error that answers `auth`. Returns false if it does not.</summary>
        internal bool OnError(ServerMessage message, double now)
        {
            if (auth == null || message.Id != auth.Id) return false;
            if (message.RetryAfterMs != null)
            {
                authAt = now + context.RetryMs(message);
                return true;
            }
            var error = new AuthException(message.Code, message.Says);
            if (auth.Promise == null) context.Outside.Report(error);
            SettleAuth(error);
            if (hasSource) WantLater(now, renewals);
            return true;
        }

        internal void OnWelcome(Peer peer)
        {
            refused = null;
            if (auth != null && auth.Token == peer.Token) SettleAuth();
        }

        /// <summary>A connection was closed because of its token. <paramref name="isOld"/>: it had been open for a time.</summary>
        internal Refused OnRefused(Peer peer, bool isOld, GrandstandException error)
        {
            refused = peer.Token ?? "";
            if (auth != null && auth.Token == peer.Token) SettleAuth(error);
            if (!hasSource) return Current == peer.Token && auth == null ? Refused.Final : Refused.First;
            if (Current == peer.Token) Current = null;
            refusals = isOld ? 1 : refusals + 1;
            return refusals == 1 ? Refused.First : Refused.Again;
        }

        internal void OnClosed(GrandstandException error)
        {
            SettleAuth(error);
            wantAt = null;
            isWanted = false;
        }

        private void Want(double now)
        {
            wantAt = null;
            if (isWanted) return;
            isWanted = true;
            notBefore = now + connects.MinMs;
            context.Outside.WantToken();
        }

        private double? WantLater(double now, Backoff backoff)
        {
            double? wait = backoff.Fail(context.Outside.Random());
            if (wait != null) wantAt = now + wait;
            return wait;
        }

        private void Send(Peer peer, string token, Promise promise)
        {
            long id = context.Send(peer, context.Message("auth").Add("token", token));
            auth = new Auth { Token = token, Id = id, Promise = promise };
        }

        // A newer token takes the place of one that is not answered yet.
        private void DropAuth()
        {
            SettleAuth(new AuthException("superseded", "another token was set"));
        }

        private void SettleAuth(GrandstandException error = null)
        {
            Promise promise = auth == null ? null : auth.Promise;
            auth = null;
            authAt = null;
            context.Settle(promise, error);
        }
    }
}
