import io.aeron.Aeron;
import io.aeron.Image;
import io.aeron.Subscription;
import io.aeron.archive.client.AeronArchive;
import io.aeron.archive.client.ArchiveException;
import io.aeron.exceptions.AeronException;
import io.aeron.logbuffer.FragmentHandler;
import io.aeron.security.AuthenticationException;
import io.aeron.security.CredentialsSupplier;
import io.aeron.security.NullCredentialsSupplier;
import org.agrona.concurrent.BackoffIdleStrategy;

import java.nio.charset.StandardCharsets;
import java.util.HexFormat;

/**
 * Connects to an archive as Aeron's own client does, lists its recordings and replays one whole, saying what comes of it:
 * "connected", "recording ID", "replaying", "message HEX", or "refused CODE WHY", after which it asks for no more.
 *
 * What it knows it is told by properties: credentials (none: Aeron's null supplier), answer (to a challenge), recording,
 * channel, stream. Where the archive is, Aeron's own properties tell.
 */
public final class SecuredClient
{
    private record Told(String credentials, String answer) implements CredentialsSupplier
    {
        private static byte[] bytes(final String text)
        {
            return text.getBytes(StandardCharsets.US_ASCII);
        }

        @Override
        public byte[] encodedCredentials()
        {
            return bytes(credentials);
        }

        @Override
        public byte[] onChallenge(final byte[] encodedChallenge)
        {
            System.out.println("challenged " + new String(encodedChallenge, StandardCharsets.US_ASCII));
            return bytes(answer);
        }
    }

    private SecuredClient()
    {
    }

    private static void replay(final AeronArchive archive)
    {
        final long recordingId = Long.getLong("recording");
        final long stopPosition = archive.getStopPosition(recordingId);
        final FragmentHandler handler = (buffer, offset, length, header) ->
        {
            final byte[] message = new byte[length];
            buffer.getBytes(offset, message);
            System.out.println("message " + HexFormat.of().formatHex(message));
        };
        try (Subscription subscription = archive.replay(
            recordingId, 0, Long.MAX_VALUE, System.getProperty("channel"), Integer.getInteger("stream")))
        {
            System.out.println("replaying");
            final BackoffIdleStrategy idle = new BackoffIdleStrategy();
            Image image = null;
            while (image == null || (image.position() < stopPosition && !image.isClosed()))
            {
                idle.idle(subscription.poll(handler, 10));
                archive.checkForErrorResponse();
                image = image == null && subscription.imageCount() > 0 ? subscription.imageAtIndex(0) : image;
            }
        }
    }

    public static void main(final String[] args)
    {
        final String credentials = System.getProperty("credentials");
        final AeronArchive.Context context = new AeronArchive.Context().credentialsSupplier(
            credentials == null ? new NullCredentialsSupplier() : new Told(credentials, System.getProperty("answer", "")));
        try (Aeron aeron = Aeron.connect(); AeronArchive archive = AeronArchive.connect(context.aeron(aeron)))
        {
            System.out.println("connected");
            archive.listRecordings(0, 100,
                (session, correlation, recordingId, startTime, stopTime, start, stop, term, segment, length, mtu,
                    sessionId, streamId, stripped, channel, source) ->
                    System.out.println("recording " + recordingId));
            replay(archive);
        }
        catch (final ArchiveException ex)
        {
            System.out.println("refused " + ex.errorCode() + " " + ex.getMessage());
        }
        catch (final AuthenticationException ex)
        {
            System.out.println("refused " + ArchiveException.AUTHENTICATION_REJECTED + " " + ex.getMessage());
        }
        catch (final AeronException ex)
        {
            System.out.println("failed " + ex);
            System.exit(1);
        }
    }
}
