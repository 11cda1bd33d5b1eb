// SPDX-License-Identifier: Apache-2.0

import java.io.FilterInputStream;
import java.io.InputStream;
import java.util.zip.GZIPInputStream;

/** Unpacks a gzip stream as from a network, where available() says 0: GZIPInputStream then stops after one member. */
class Gunzip {
    public static void main(String[] args) throws Exception {
        InputStream network = new FilterInputStream(System.in) {
            @Override
            public int available() {
                return 0;
            }
        };
        new GZIPInputStream(network).transferTo(System.out);
        System.out.flush();
    }
}
