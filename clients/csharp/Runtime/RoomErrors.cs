namespace Grandstand
{
    // What the machine of a room does after errors of the server.
    internal sealed partial class RoomMachine
    {
        private void OnError(Peer peer, ServerMessage message, double now)
        {
            if (peer != Link && peer != joining) return;
            if (message.Code == "room_rolled_back" && peer == Link)
            {
                inputs.RollBack(message.Seq ?? 0);
                OnRolledBack(message.Seq ?? 0);
                Link = null;
                OnGap(peer, now);
                return;
            }
            if (message.Code == "room_restarted" && message.Id == null)
            {
                inputs.OnRestarted(message.Seq ?? long.MaxValue);
                return;
            }
            bool isStale;
            Input input = inputs.Find(message, out isStale);
            if (input != null) OnInputError(peer, input, message, now);
            else if (isStale) return;
            else if (message.Id == null ? joining == peer : message.Id == joinId) OnJoinError(peer, message, now);
            else if (message.Id != null && leaving != null && message.Id == leaveId) EndLeft();
            else if (message.Id == null) context.Outside.Report(JoinError(message));
        }

        private void OnInputError(Peer peer, Input input, ServerMessage message, double now)
        {
            string code = message.Code;
            if (code == "busy" || code == "rate_limited" || (inputs.IsPaused && code == "bad_seq"))
            {
                inputs.Pause(now + context.RetryMs(message));
            }
            else if (code == "bad_seq" || code == "not_joined")
            {
                if (code == "bad_seq") inputs.FailFrom(input, code, message.Says);
                OnGap(peer, now); // learns the last number, and whether the room is joined
            }
            else
            {
                inputs.Fail(input, code, message.Says);
                Poll(now, null);
            }
        }

        private void OnJoinError(Peer peer, ServerMessage message, double now)
        {
            if (message.Code != "room_unavailable" && message.Code != "rate_limited" && message.Code != "busy")
            {
                End(JoinError(message));
                return;
            }
            // An unavailable room may still be answered by `joined`.
            if (message.Code != "room_unavailable") joining = Link == peer ? null : peer;
            rejoinAt = now + context.RetryMs(message);
        }

        private GrandstandException JoinError(ServerMessage message)
        {
            if (message.Code == "unauthenticated") return new AuthException(message.Code, message.Says, Name, message.RetryAfterMs);
            return new JoinException(message.Code, message.Says, Name, message.RetryAfterMs);
        }
    }
}
