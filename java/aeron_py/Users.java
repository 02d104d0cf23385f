package aeron_py;

import io.aeron.archive.codecs.MessageHeaderDecoder;
import io.aeron.security.Authenticator;
import io.aeron.security.AuthenticatorSupplier;
import io.aeron.security.AuthorisationService;
import io.aeron.security.AuthorisationServiceSupplier;
import io.aeron.security.SessionProxy;
import io.aeron.security.SimpleAuthenticator;
import io.aeron.security.SimpleAuthorisationService;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.HexFormat;

/**
 * The users of an archive and what each may do: Aeron's own SimpleAuthenticator and SimpleAuthorisationService, which it
 * offers no way to set up by properties, filled from a file.
 *
 * A line of the file is a user: the name and the SHA-256 of the credentials, both in hexadecimal, and the ids of the
 * requests that are allowed, with commas between them.
 */
public final class Users
{
    private static final String FILE = "aeron_py.users";

    private Users()
    {
    }

    private record User(byte[] name, byte[] digest, int[] requests)
    {
        static User parse(final String line)
        {
            final String[] fields = line.split(" ");
            final String[] ids = fields[2].split(",");
            final int[] requests = new int[ids.length];
            for (int i = 0; i < ids.length; i++)
            {
                requests[i] = Integer.parseInt(ids[i]);
            }
            return new User(HexFormat.of().parseHex(fields[0]), HexFormat.of().parseHex(fields[1]), requests);
        }
    }

    private static Iterable<User> read()
    {
        try
        {
            return Files.readAllLines(Path.of(System.getProperty(FILE)), StandardCharsets.US_ASCII)
                .stream().map(User::parse).toList();
        }
        catch (final IOException ex)
        {
            throw new java.io.UncheckedIOException(ex);
        }
    }

    /** Who may connect. */
    public static final class Authentication implements AuthenticatorSupplier
    {
        @Override
        public Authenticator get()
        {
            final SimpleAuthenticator.Builder builder = new SimpleAuthenticator.Builder();
            for (final User user : read())
            {
                builder.principal(user.name(), user.digest());
            }
            return new Digesting(builder.newInstance());
        }
    }

    /** Who may do what; all that is not allowed is denied. */
    public static final class Authorisation implements AuthorisationServiceSupplier
    {
        @Override
        public AuthorisationService get()
        {
            final SimpleAuthorisationService.Builder builder =
                new SimpleAuthorisationService.Builder().defaultAuthorisation(AuthorisationService.DENY_ALL);
            for (final User user : read())
            {
                for (final int request : user.requests())
                {
                    builder.addPrincipalRule(MessageHeaderDecoder.SCHEMA_ID, request, user.name(), true);
                }
            }
            return builder.newInstance();
        }
    }

    /** Compares digests, so that neither the file nor the time that it takes tells anything of the credentials. */
    private record Digesting(Authenticator authenticator) implements Authenticator
    {
        private static byte[] digest(final byte[] credentials)
        {
            try
            {
                return MessageDigest.getInstance("SHA-256").digest(credentials);
            }
            catch (final NoSuchAlgorithmException ex)
            {
                throw new IllegalStateException(ex);
            }
        }

        @Override
        public void onConnectRequest(final long sessionId, final byte[] encodedCredentials, final long nowMs)
        {
            authenticator.onConnectRequest(sessionId, digest(encodedCredentials), nowMs);
        }

        @Override
        public void onChallengeResponse(final long sessionId, final byte[] encodedCredentials, final long nowMs)
        {
            authenticator.onChallengeResponse(sessionId, encodedCredentials, nowMs);
        }

        @Override
        public void onConnectedSession(final SessionProxy sessionProxy, final long nowMs)
        {
            authenticator.onConnectedSession(sessionProxy, nowMs);
        }

        @Override
        public void onChallengedSession(final SessionProxy sessionProxy, final long nowMs)
        {
            authenticator.onChallengedSession(sessionProxy, nowMs);
        }
    }
}
