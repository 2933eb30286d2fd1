"""The tab "Gradient Flow" of TensorBoard.

`plugin.py` answers the requests of the page in `static/`; `http_api.md` describes them. The rest
reads event files under TensorBoard's log directory into tables of bounded size. Imports neither
TensorFlow nor Keras.
"""
